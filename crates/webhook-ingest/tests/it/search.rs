//! Finding and counting events, and reading bodies.

use chassis::grpc::Client;
use chrono::TimeDelta;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::archive_service_client::ArchiveServiceClient;
use contracts::ingest::v1::{
    CountWebhookEventsRequest, GetWebhookBodyRequest, GetWebhookEventRequest, ListWebhookEventsRequest,
};
use contracts::timestamp;
use kernel::Timestamp;
use tonic::Code;

use crate::stage::{Replica, Stage, TestAccount, body, id_at, now};

const HANAKO: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
const TARO: &str = "Ubbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const READER: [Right; 3] = [Right::OperationsRead, Right::OperationsManage, Right::LineUserIdRead];

fn event(kind: &str, user: &str, at: Timestamp) -> (String, String) {
    let id = id_at(at);
    let millis = at.timestamp_millis();
    let text = format!(
        r#"{{"type":"{kind}","mode":"active","timestamp":{millis},"webhookEventId":"{id}","source":{{"type":"user","userId":"{user}"}}}}"#
    );
    (id, text)
}

async fn found(archive: &mut ArchiveServiceClient<Client>, ask: ListWebhookEventsRequest) -> Vec<String> {
    let (mut ids, mut page_token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let ask = ListWebhookEventsRequest { page_token, page_size: 2, ..ask.clone() };
        let page = archive.list_webhook_events(ask).await.unwrap().into_inner();
        assert!(page.events.len() <= 2 && pages < 50);
        ids.extend(page.events.into_iter().map(|event| event.webhook_event_id));
        (page_token, pages) = (page.next_page_token, pages + 1);
        if page_token.is_empty() {
            return ids;
        }
    }
}

/// One account's events of two people, of two types, one a minute, the latest last.
async fn told(stage: &Stage, replica: &Replica) -> Vec<(String, &'static str, &'static str, Timestamp)> {
    let since = now() - TimeDelta::minutes(20);
    let mut told = Vec::new();
    for minute in 0..12 {
        let (kind, user) = (["follow", "message"][minute % 2], [HANAKO, HANAKO, TARO][minute % 3]);
        let at = since + TimeDelta::minutes(i64::try_from(minute).unwrap());
        let (id, text) = event(kind, user, at);
        assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
        told.push((id, kind, user, at));
    }
    told
}

#[tokio::test]
async fn events_are_found_by_type_user_and_time_and_counted() {
    let stage = Stage::new("search").await;
    let replica = stage.start().await;
    let told = told(&stage, &replica).await;
    let mut archive = ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, &READER).await);
    let account_id = stage.account.id.to_string();
    let (from, to) = (told[3].3, told[9].3);
    for (kind, user, span) in [
        (None, None, false),
        (Some("message"), None, false),
        (None, Some(TARO), false),
        (Some("follow"), Some(HANAKO), true),
        (None, None, true),
        (Some("unfollow"), None, false),
        (None, Some("Ucccccccccccccccccccccccccccccccc"), false),
    ] {
        let is_asked = |told: &&(String, &str, &str, Timestamp)| {
            kind.is_none_or(|kind| told.1 == kind)
                && user.is_none_or(|user| told.2 == user)
                && (!span || (from <= told.3 && told.3 < to))
        };
        let expected: Vec<String> = told.iter().rev().filter(is_asked).map(|told| told.0.clone()).collect();
        let ask = ListWebhookEventsRequest {
            account_id: account_id.clone(),
            event_types: kind.iter().map(ToString::to_string).collect(),
            line_user_id: user.unwrap_or_default().to_owned(),
            start_time: span.then(|| timestamp(from)),
            end_time: span.then(|| timestamp(to)),
            ..<_>::default()
        };
        assert_eq!(found(&mut archive, ask.clone()).await, expected, "{kind:?} {user:?} {span}");
        let count = CountWebhookEventsRequest {
            account_id: account_id.clone(),
            event_types: ask.event_types,
            line_user_id: ask.line_user_id,
            start_time: Some(ask.start_time.unwrap_or(timestamp(now() - TimeDelta::days(1)))),
            end_time: Some(ask.end_time.unwrap_or(timestamp(now() + TimeDelta::days(1)))),
        };
        let counted = archive.count_webhook_events(count).await.unwrap().into_inner();
        assert_eq!(usize::try_from(counted.total).unwrap(), expected.len());
        assert_eq!(counted.counts.iter().map(|of| of.count).sum::<i64>(), counted.total);
        assert!(counted.counts.is_sorted_by(|a, b| a.count >= b.count));
    }
    replica.stop().await;
}

#[tokio::test]
async fn a_search_for_a_person_whose_tenants_data_key_cannot_be_used_is_refused_and_not_answered_with_nothing() {
    let stage = Stage::new("search_key_away").await;
    let replica = stage.start().await;
    let _ = told(&stage, &replica).await;
    // Who took them has the key in memory.
    replica.stop().await;
    sqlx::query("UPDATE ingest.data_key SET master_key_id = 'away'").execute(&mut stage.admin().await).await.unwrap();
    let replica = stage.start().await;
    let mut archive = ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, &READER).await);
    let everybody = ListWebhookEventsRequest { account_id: stage.account.id.to_string(), ..<_>::default() };
    let hanako = ListWebhookEventsRequest { line_user_id: HANAKO.to_owned(), ..everybody.clone() };
    assert_eq!(archive.list_webhook_events(hanako).await.unwrap_err().code(), Code::Internal);
    assert_eq!(found(&mut archive, everybody).await.len(), 12);
    replica.stop().await;
}

#[tokio::test]
async fn a_search_among_many_events_leads_on_over_pages_that_show_none() {
    let stage = Stage::new("search_many").await;
    let replica = stage.start().await;
    let (sought, text) = event("follow", TARO, now() - TimeDelta::days(2));
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    // More than one look reads, all of them later.
    sqlx::query(
        "INSERT INTO ingest.seen_event (tenant_id, account_id, event_id, body_id, occurred_at, place, event_type)
         SELECT tenant_id, account_id, (substr(ingest.first_id(now())::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, body_id,
             now(), 0, 'message'
         FROM ingest.seen_event, generate_series(1, 25000) AS n",
    )
    .execute(&mut stage.admin().await)
    .await
    .unwrap();
    let mut archive = ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, &READER).await);
    let ask = ListWebhookEventsRequest {
        account_id: stage.account.id.to_string(),
        event_types: vec!["follow".to_owned()],
        ..<_>::default()
    };
    let first = archive.list_webhook_events(ask.clone()).await.unwrap().into_inner();
    assert!(first.events.is_empty() && !first.next_page_token.is_empty());
    assert_eq!(found(&mut archive, ask).await, [sought]);
    replica.stop().await;
}

#[tokio::test]
async fn a_body_is_read_to_the_byte_by_those_who_may_and_each_reading_is_noted() {
    let stage = Stage::new("body").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    let (id, text) = event("follow", HANAKO, now());
    let sent = body(&[text]);
    assert_eq!(replica.post(&stage.account, sent.clone()).await, 200);
    let mut archive = ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, &READER).await);
    let event = archive.get_webhook_event(GetWebhookEventRequest { webhook_event_id: id }).await.unwrap().into_inner();
    let ask = GetWebhookBodyRequest { body_id: event.event.unwrap().body_id };
    let read = archive.get_webhook_body(ask.clone()).await.unwrap().into_inner();
    assert_eq!((read.body, read.account_id), (sent.to_vec(), stage.account.id.to_string()));
    assert!(read.receive_time.is_some() && read.redact_time.is_none());
    let noted = "SELECT count(*) FROM ingest.audit WHERE action = 'webhook_body.read'";
    assert_eq!(stage.count(noted).await, 1);

    let mut theirs = ArchiveServiceClient::new(stage.caller(&replica, other.tenant, &READER).await);
    assert_eq!(theirs.get_webhook_body(ask.clone()).await.unwrap_err().code(), Code::NotFound);
    for rights in [&[Right::OperationsManage][..], &[Right::OperationsRead, Right::LineUserIdRead]] {
        let mut lesser = ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, rights).await);
        assert_eq!(lesser.get_webhook_body(ask.clone()).await.unwrap_err().code(), Code::PermissionDenied);
    }
    assert_eq!(stage.count(noted).await, 1);
    replica.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_search_or_a_count_is_told_by_field() {
    let stage = Stage::new("search_bad").await;
    let replica = stage.start().await;
    let mut archive = ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, &READER).await);
    let good = || ListWebhookEventsRequest { account_id: stage.account.id.to_string(), ..<_>::default() };
    let (early, late) = (timestamp(now() - TimeDelta::days(1)), timestamp(now()));
    for (field, wrong) in [
        ("account_id", ListWebhookEventsRequest { account_id: "x".to_owned(), ..good() }),
        ("event_types", ListWebhookEventsRequest { event_types: vec!["a".to_owned(); 21], ..good() }),
        ("event_types", ListWebhookEventsRequest { event_types: vec![String::new()], ..good() }),
        ("event_types", ListWebhookEventsRequest { event_types: vec!["\0".to_owned()], ..good() }),
        ("line_user_id", ListWebhookEventsRequest { line_user_id: "hanako".to_owned(), ..good() }),
        ("end_time", ListWebhookEventsRequest { start_time: Some(late), end_time: Some(early), ..good() }),
        ("page_size", ListWebhookEventsRequest { page_size: -1, ..good() }),
    ] {
        let refused = archive.list_webhook_events(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(refused.message().contains(field), "{field}: {}", refused.message());
    }
    let count = |start_time, end_time| CountWebhookEventsRequest {
        account_id: stage.account.id.to_string(),
        start_time,
        end_time,
        ..<_>::default()
    };
    for (start, end) in
        [(None, Some(late)), (Some(timestamp(now() - TimeDelta::days(401))), Some(late)), (Some(early), None)]
    {
        let refused = archive.count_webhook_events(count(start, end)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let mut lesser =
        ArchiveServiceClient::new(stage.caller(&replica, stage.account.tenant, &[Right::OperationsRead]).await);
    let by_user = ListWebhookEventsRequest { line_user_id: HANAKO.to_owned(), ..good() };
    assert_eq!(lesser.list_webhook_events(by_user).await.unwrap_err().code(), Code::PermissionDenied);
    replica.stop().await;
}
