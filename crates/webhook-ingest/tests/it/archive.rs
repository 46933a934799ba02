//! ArchiveService: a tenant sees its own and nothing else; so does raw SQL.

use chassis::grpc::Client;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::archive_service_client::ArchiveServiceClient;
use contracts::ingest::v1::quarantine_service_client::QuarantineServiceClient;
use contracts::ingest::v1::{
    FindingKind, GetWebhookEventRequest, ListFindingsRequest, ListQuarantinedBodiesRequest, ListWebhookEventsRequest,
    QuarantineReason,
};
use kernel::TenantId;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use crate::stage::{Replica, SOON, Stage, TestAccount, body_for, event, id_at, new_id, now, one};

const USER: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";

/// A client of the archive, as a program of `tenant` with `rights`.
async fn client(stage: &Stage, replica: &Replica, tenant: TenantId, rights: &[Right]) -> ArchiveServiceClient<Client> {
    ArchiveServiceClient::new(stage.caller(replica, tenant, rights).await)
}

#[tokio::test]
async fn a_tenant_reads_its_events_page_by_page_and_nobody_elses() {
    let stage = Stage::new("archive").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    let mut ids: Vec<String> = (0..5).map(|n| id_at(now() - chrono::TimeDelta::seconds(n))).collect();
    for id in &ids {
        assert_eq!(replica.post(&stage.account, body_for(crate::stage::BOT, &[event(id)])).await, 200);
    }
    stage.eventually_published(&ids).await;
    ids.sort();
    ids.reverse();

    let mut ours = client(&stage, &replica, stage.account.tenant, &[Right::OperationsRead]).await;
    let (mut page_token, mut seen) = (String::new(), Vec::new());
    loop {
        let ask = ListWebhookEventsRequest {
            page_size: 2,
            page_token,
            account_id: stage.account.id.to_string(),
            ..<_>::default()
        };
        let page = ours.list_webhook_events(ask).await.unwrap().into_inner();
        assert!(page.events.len() <= 2 && page.events.iter().all(|event| event.published));
        seen.extend(page.events.into_iter().map(|event| event.webhook_event_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        let foreign = ListFindingsRequest { page_token: page_token.clone(), ..<_>::default() };
        let refused = ours.list_findings(foreign).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "of another list");
    }
    assert_eq!(seen, ids);
    let get = |id: &str| GetWebhookEventRequest { webhook_event_id: id.to_owned() };
    let found = ours.get_webhook_event(get(&ids[0])).await.unwrap().into_inner().event.unwrap();
    assert_eq!((found.event_type.as_str(), found.account_id), ("message", stage.account.id.to_string()));
    assert!(found.receive_time.is_some() && found.occur_time.is_some());

    let mut theirs = client(&stage, &replica, other.tenant, &[Right::OperationsRead]).await;
    assert_eq!(theirs.get_webhook_event(get(&ids[0])).await.unwrap_err().code(), Code::NotFound);
    let ask = ListWebhookEventsRequest { account_id: stage.account.id.to_string(), ..<_>::default() };
    assert_eq!(theirs.list_webhook_events(ask.clone()).await.unwrap_err().code(), Code::NotFound);

    let mut powerless = client(&stage, &replica, stage.account.tenant, &[Right::MessagesSend]).await;
    assert_eq!(powerless.list_webhook_events(ask).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_event_of_an_absurd_time_is_taken_and_leaves_the_list_readable() {
    let stage = Stage::new("archive_time").await;
    let replica = stage.start().await;
    let sound = new_id();
    let usual = now().timestamp_millis().to_string();
    let long = "1".repeat(5_000);
    let mut times: Vec<(String, &str)> =
        ["-1", "-9223372036854775808", "253402300800000", "9223372036854775807", "1e999", &long]
            .map(|time| (new_id(), time))
            .into();
    times.push((sound.clone(), &usual));
    let events = times.iter().map(|(id, time)| {
        let head = format!(r#""webhookEventId":"{id}","timestamp":{time},"x":{long}"#);
        format!(r#"{{"type":"follow","mode":"active",{head},"source":{{"type":"user","userId":"{USER}"}}}}"#)
    });
    assert_eq!(replica.post(&stage.account, body_for(crate::stage::BOT, &events.collect::<Vec<_>>())).await, 200);
    let ids: Vec<String> = times.iter().map(|(id, _)| id.clone()).collect();
    stage.eventually_published(&ids).await;

    let mut ours = client(&stage, &replica, stage.account.tenant, &[Right::OperationsRead]).await;
    let ask = ListWebhookEventsRequest { account_id: stage.account.id.to_string(), ..<_>::default() };
    let shown = ours.list_webhook_events(ask).await.unwrap().into_inner().events;
    assert_eq!(shown.len(), ids.len());
    for event in &shown {
        let occurred = contracts::to_timestamp(&event.occur_time.unwrap()).unwrap();
        assert!((now() - occurred).abs() < chrono::TimeDelta::minutes(5), "{occurred}");
    }
    for (message, event) in stage.published().await {
        let header = bus::header::read(&message.headers).unwrap();
        assert_eq!(Some(contracts::timestamp(header.time)), event.occur_time);
        assert!(line_types::webhook::Event::parse(str::from_utf8(&event.raw).unwrap()).is_ok());
        if event.webhook_event_id == sound {
            assert_eq!(header.time.timestamp_millis().to_string(), usual);
        }
    }
    assert_eq!(stage.count("SELECT count(*) FROM ingest.quarantined_body").await, 0);
}

#[tokio::test]
async fn each_bad_request_is_told_its_field() {
    let stage = Stage::new("archive_bad").await;
    let replica = stage.start().await;
    let mut ours = client(&stage, &replica, stage.account.tenant, &[Right::OperationsRead]).await;
    let account_id = stage.account.id.to_string();
    for id in ["", "nonsense", "01FZ74A0TDDPYRVKNK77XKC3Z", "01fz74a0tddpyrvknk77xkc3zr"] {
        let asked = ours.get_webhook_event(GetWebhookEventRequest { webhook_event_id: id.to_owned() }).await;
        assert_eq!(asked.unwrap_err().code(), Code::InvalidArgument, "{id}");
    }
    let absent = ours.get_webhook_event(GetWebhookEventRequest { webhook_event_id: id_at(now()) }).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound);
    for (page_size, page_token, account_id) in
        [(-1, "", account_id.as_str()), (0, "?", &account_id), (0, "", ""), (0, "", "nonsense")]
    {
        let ask = ListWebhookEventsRequest {
            page_size,
            page_token: page_token.to_owned(),
            account_id: account_id.to_owned(),
            ..<_>::default()
        };
        assert_eq!(ours.list_webhook_events(ask).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let ask = ListFindingsRequest { account_id: "nonsense".to_owned(), ..<_>::default() };
    assert_eq!(ours.list_findings(ask).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn quarantined_bodies_and_findings_are_read_by_their_tenant() {
    let stage = Stage::new("archive_quarantine").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    for (account, count) in [(&stage.account, 3), (&other, 1)] {
        for _ in 0..count {
            assert_eq!(replica.post(account, body_for("Uother", &[])).await, 200);
        }
        assert_eq!(replica.send(&account.key, None, one().1).await, 401);
    }
    let ours = client(&stage, &replica, stage.account.tenant, &[Right::OperationsRead]).await;
    let ask = ListQuarantinedBodiesRequest { page_size: 2, ..<_>::default() };
    let mut quarantine =
        QuarantineServiceClient::new(stage.caller(&replica, stage.account.tenant, &[Right::OperationsRead]).await);
    let first = quarantine.list_quarantined_bodies(ask.clone()).await.unwrap().into_inner();
    let ask = ListQuarantinedBodiesRequest { page_token: first.next_page_token, ..ask };
    let second = quarantine.list_quarantined_bodies(ask).await.unwrap().into_inner();
    let bodies: Vec<_> = first.bodies.into_iter().chain(second.bodies).collect();
    assert_eq!((bodies.len(), second.next_page_token.as_str()), (3, ""));
    assert!(bodies.is_sorted_by(|a, b| a.body_id > b.body_id));
    assert!(bodies.iter().all(|body| body.reason() == QuarantineReason::WrongDestination && body.size == 36));
    let findings = eventually(SOON, || {
        let mut ours = ours.clone();
        async move {
            let findings = ours.list_findings(ListFindingsRequest::default()).await.unwrap().into_inner().findings;
            let total: i64 = findings.iter().map(|finding| finding.count).sum();
            if total == 4 { Ok(findings) } else { Err(total) }
        }
    })
    .await
    .unwrap();
    let mut kinds: Vec<(FindingKind, i64)> = findings.iter().map(|finding| (finding.kind(), finding.count)).collect();
    kinds.sort();
    assert_eq!(kinds, [(FindingKind::SignatureMissing, 1), (FindingKind::WrongDestination, 3)]);
}

#[tokio::test]
async fn without_a_tenant_no_row_is_seen_and_the_worker_reads_no_body() {
    let stage = Stage::new("isolation").await;
    let replica = stage.start().await;
    assert_eq!(replica.post(&stage.account, one().1).await, 200);
    assert_eq!(replica.post(&stage.account, body_for("Uother", &[])).await, 200);
    let ingest = stage.ingest().await;
    for table in [
        "body",
        "seen_event",
        "quarantined_body",
        "publication",
        "account_replica",
        "finding",
        "held_body",
        "kept_week",
        "erasure",
    ] {
        let count =
            || sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM ingest.{table}")));
        let mut nobody = ingest.tenant(Uuid::new_v4().into()).await.unwrap();
        assert_eq!(count().fetch_one(&mut *nobody).await.unwrap(), 0, "{table}");
    }
    for (table, column) in
        [("body", "payload"), ("quarantined_body", "payload"), ("erasure", "line_user"), ("erasure", "message_id")]
    {
        let read = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {column} FROM ingest.{table}")));
        let refused = read.fetch_all(ingest.worker()).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(),
            Some("42501"),
            "{table}"
        );
    }
    let mut tx = ingest.tenant(stage.account.tenant).await.unwrap();
    let own: i64 = sqlx::query_scalar("SELECT count(*) FROM ingest.body").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(own, 1);
}

#[tokio::test]
async fn what_friends_write_and_who_they_are_stands_in_no_table_in_clear() {
    let stage = Stage::new("at_rest").await;
    let replica = stage.start().await;
    let (id, kept) = one();
    assert_eq!(replica.post(&stage.account, kept.clone()).await, 200);
    assert_eq!(replica.post(&stage.account, body_for("Uother", &[event(&new_id())])).await, 200);
    stage.eventually_published(&[id]).await;
    assert_eq!(stage.kept("body").await, [kept]);
    let mut admin = stage.admin().await;
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename FROM pg_tables WHERE schemaname = 'ingest'")
        .fetch_all(&mut admin)
        .await
        .unwrap();
    let mut read = 0;
    for table in tables {
        // As text, bytes stand in hexadecimal digits.
        let text = format!("SELECT t::text FROM ingest.{table} t");
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_all(&mut admin).await.unwrap();
        read += rows.len();
        for (what, words) in [("words", "こんにちは"), ("user", "U4af4980629aaaaaaaaaaaaaaaaaaaaaa")] {
            let digits = hex::encode(words);
            assert!(!rows.iter().any(|row| row.contains(words) || row.contains(&digits)), "{what} in {table}");
        }
    }
    assert!(read > 5, "{read} rows: the check sees too little");
}
