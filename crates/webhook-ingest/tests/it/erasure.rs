//! What its sender took back, and who is to be forgotten: gone from the archive and the stream, and nothing else.

mod copies;
mod person;

use std::os::unix::process::ExitStatusExt as _;

use chassis::grpc::Client;
use contracts::access_proto::v1::Right;
use contracts::ingest::v1::erasure_service_client::ErasureServiceClient;
use contracts::ingest::v1::{
    EraseLineUserRequest, Erasure, ErasureCause, ErasureState, GetErasureRequest, ListErasuresRequest,
};
use kernel::Timestamp;
use testkit::{eventually, nats, postgres};
use tonic::Code;
use uuid::Uuid;

use crate::stage::{Replica, SOON, Stage, TestAccount, body, body_for, id_at, new_id, now};

const HANAKO: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
const TARO: &str = "Ubbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const RIGHTS: [Right; 3] = [Right::OperationsRead, Right::OperationsManage, Right::LineUserIdRead];
/// Every row that erasing has looked at without trouble at least once.
const LOOKED: &str = "SELECT count(*) FROM ingest.erasure WHERE looks > 0";

fn said(kind: &str, user: &str, message: &str) -> (String, String) {
    said_at(now(), kind, user, message)
}

fn said_at(moment: Timestamp, kind: &str, user: &str, message: &str) -> (String, String) {
    let (id, millis) = (id_at(moment), moment.timestamp_millis());
    let about = match kind {
        "unsend" => format!(r#""unsend":{{"messageId":"{message}"}}"#),
        _ => format!(r#""message":{{"id":"{message}","type":"text","text":"words of {message}"}}"#),
    };
    let text = format!(
        r#"{{"type":"{kind}","mode":"active","timestamp":{millis},"webhookEventId":"{id}","source":{{"type":"user","userId":"{user}"}},{about}}}"#
    );
    (id, text)
}

/// Every kept body, and every published event, as text.
async fn everything(stage: &Stage) -> String {
    let mut all = stage.kept("body").await;
    all.extend(stage.kept("quarantined_body").await);
    let jetstream = stage.jetstream().await;
    if let Ok(mut stream) = jetstream.get_stream(format!("{}_LINE_WEBHOOK", stage.prefix)).await {
        let state = stream.info().await.unwrap().state.clone();
        for sequence in state.first_sequence..=state.last_sequence {
            // What was cut out is not there.
            all.extend(stream.get_raw_message(sequence).await.ok().map(|message| message.payload.to_vec()));
        }
    }
    all.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect::<Vec<_>>().join("\n")
}

async fn looked(stage: &Stage, count: i64) {
    eventually(SOON, || async {
        let looked = stage.count(LOOKED).await;
        if looked >= count { Ok(()) } else { Err(looked) }
    })
    .await
    .unwrap();
}

async fn erasures(stage: &Stage, replica: &Replica, account: &TestAccount) -> ErasureServiceClient<Client> {
    ErasureServiceClient::new(stage.caller(replica, account.tenant, &RIGHTS).await)
}

/// Has a LINE user be forgotten.
async fn forget(erasures: &mut ErasureServiceClient<Client>, user: &str) -> Erasure {
    let ask = EraseLineUserRequest { line_user_id: user.to_owned(), ..<_>::default() };
    erasures.erase_line_user(ask).await.unwrap().into_inner().erasure.unwrap()
}

async fn read(erasures: &mut ErasureServiceClient<Client>, id: &str) -> Erasure {
    let ask = GetErasureRequest { erasure_id: id.to_owned() };
    erasures.get_erasure(ask).await.unwrap().into_inner().erasure.unwrap()
}

#[tokio::test]
async fn a_message_that_was_taken_back_is_nowhere_any_more_and_its_neighbours_are() {
    let stage = Stage::new("unsend").await;
    let replica = stage.start().await;
    let written: Vec<(String, String)> = [("message", "4711"), ("message", "4712"), ("messageEdited", "4711")]
        .iter()
        .map(|(kind, message)| said(kind, HANAKO, message))
        .collect();
    let (ids, texts): (Vec<String>, Vec<String>) = written.into_iter().unzip();
    assert_eq!(replica.post(&stage.account, body(&texts[..2])).await, 200);
    // One with a faulty neighbour is quarantined as well.
    assert_eq!(replica.post(&stage.account, body(&[texts[2].clone(), "7".to_owned()])).await, 200);
    stage.eventually_published(&ids).await;
    assert_eq!(everything(&stage).await.matches("words of 4711").count(), 5);

    let (unsend, text) = said("unsend", HANAKO, "4711");
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    looked(&stage, 1).await;
    let left = everything(&stage).await;
    assert_eq!(left.matches("words of 4711").count(), 0);
    assert_eq!((left.matches("words of 4712").count(), left.contains(&unsend)), (2, true));
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body WHERE redacted_at IS NOT NULL").await, 2);

    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    let listed = erasures.list_erasures(ListErasuresRequest::default()).await.unwrap().into_inner().erasures;
    let [erasure] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!((erasure.cause(), erasure.state()), (ErasureCause::Unsend, ErasureState::Erased));
    assert_eq!((erasure.erased_event_count, erasure.account_id.as_str()), (3, stage.account.id.to_string().as_str()));
    replica.stop().await;
}

#[tokio::test]
async fn a_message_that_comes_after_it_was_taken_back_is_erased_by_a_later_look() {
    let stage = Stage::new("unsend_first").await;
    let replica = stage.start().await;
    assert_eq!(replica.post(&stage.account, body(&[said("unsend", HANAKO, "4711").1])).await, 200);
    looked(&stage, 1).await;
    assert_eq!(replica.post(&stage.account, body(&[said("message", HANAKO, "4711").1])).await, 200);
    eventually(SOON, || async {
        let left = everything(&stage).await.matches("words of 4711").count();
        let erased = stage.count("SELECT sum(erased)::bigint FROM ingest.erasure").await;
        if (left, erased) == (0, 1) { Ok(()) } else { Err((left, erased)) }
    })
    .await
    .unwrap();
    replica.stop().await;
}

#[tokio::test]
async fn what_was_taken_back_while_nats_was_away_is_not_published_when_it_is_back() {
    let mut server = nats::Private::start().await.unwrap();
    let stage = Stage::on(&postgres::Cluster::shared(), server.url(), "unsend_nats").await;
    let replica = stage.start().await;
    server.kill9().await.unwrap();
    let (message, text) = said("message", HANAKO, "4711");
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    let (unsend, text) = said("unsend", HANAKO, "4711");
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    server.start_again().await.unwrap();
    looked(&stage, 1).await;
    eventually(SOON, || async {
        let left = everything(&stage).await;
        (!left.contains("words of 4711") && left.contains(&unsend) && !left.contains(&message)).then_some(())
    })
    .await
    .unwrap();
    replica.stop().await;
}

#[tokio::test]
async fn a_person_who_is_to_be_forgotten_is_in_no_account_of_the_tenant_and_nobody_else_is_touched() {
    let stage = Stage::new("forget").await;
    let (second, other) = (TestAccount { tenant: stage.account.tenant, ..TestAccount::new() }, TestAccount::new());
    let second = TestAccount { key: format!("{}.{}", second.tenant, second.key.split_once('.').unwrap().1), ..second };
    for account in [&second, &other] {
        stage.put(account, stage.replica_of(account, 1)).await;
    }
    let replica = stage.start().await;
    for account in [&stage.account, &second, &other] {
        let events = [said("message", HANAKO, "1"), said("message", TARO, "2"), said("follow", HANAKO, "3")];
        let texts: Vec<String> = events.iter().map(|(_, text)| text.clone()).collect();
        assert_eq!(replica.post(account, body(&texts)).await, 200);
    }
    let quarantined = body_for("Uother", &[said("message", HANAKO, "4").1]);
    assert_eq!(replica.post(&stage.account, quarantined).await, 200);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body WHERE redacted_at IS NULL").await, 3);

    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    let request_id = Uuid::new_v4().to_string();
    let ask = EraseLineUserRequest { line_user_id: HANAKO.to_owned(), request_id };
    let begun = erasures.erase_line_user(ask.clone()).await.unwrap().into_inner().erasure.unwrap();
    assert_eq!((begun.cause(), begun.state()), (ErasureCause::LineUser, ErasureState::Running));
    let again = erasures.erase_line_user(ask).await.unwrap().into_inner().erasure.unwrap();
    assert_eq!(again.erasure_id, begun.erasure_id);
    let done = eventually(SOON, || {
        let (mut erasures, id) = (erasures.clone(), begun.erasure_id.clone());
        async move {
            let erasure = read(&mut erasures, &id).await;
            if erasure.state() == ErasureState::Erased { Ok(erasure) } else { Err(erasure) }
        }
    })
    .await
    .unwrap();
    assert_eq!((done.erased_event_count, done.look_time.is_some()), (5, true));
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body WHERE redacted_at IS NOT NULL").await, 2);
    let kept = stage.kept("body").await.into_iter().chain(stage.kept("quarantined_body").await);
    let kept: Vec<String> = kept.map(|bytes| String::from_utf8(bytes).unwrap()).collect();
    assert!(kept.iter().all(|body| !body.contains(HANAKO)), "{kept:?}");
    assert_eq!(kept.iter().filter(|body| body.contains(TARO)).count(), 2);
    for (_, event) in still_published(&stage).await {
        assert!(!event.contains(HANAKO) || event.contains(&other.id.to_string()));
    }
    // What they send from now on is kept, quarantined or not, and the other tenant's is as it was.
    assert_eq!(replica.post(&stage.account, body(&[said("message", HANAKO, "5").1])).await, 200);
    let quarantined = body_for("Uother", &[said("message", HANAKO, "6").1]);
    assert_eq!(replica.post(&stage.account, quarantined).await, 200);
    sqlx::query("UPDATE ingest.erasure SET due_at = now()").execute(&mut stage.admin().await).await.unwrap();
    eventually(SOON, || async {
        (stage.count("SELECT sum(looks)::bigint FROM ingest.erasure").await > 1).then_some(())
    })
    .await
    .unwrap();
    let left = everything(&stage).await;
    assert!(left.contains("words of 5") && left.contains("words of 6"), "{left}");
    let foreign = "SELECT count(*) FROM ingest.seen_event WHERE line_user IS NOT NULL AND tenant_id <> ";
    let foreign = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!("{foreign}'{}'", stage.account.tenant)));
    assert_eq!(foreign.fetch_one(&mut stage.admin().await).await.unwrap(), 3);

    let mut theirs = self::erasures(&stage, &replica, &other).await;
    let foreign = theirs.get_erasure(GetErasureRequest { erasure_id: begun.erasure_id }).await;
    assert_eq!(foreign.unwrap_err().code(), Code::NotFound);
    assert!(theirs.list_erasures(ListErasuresRequest::default()).await.unwrap().into_inner().erasures.is_empty());
    replica.stop().await;
}

/// What the stream holds: sequence and text.
async fn still_published(stage: &Stage) -> Vec<(u64, String)> {
    let jetstream = stage.jetstream().await;
    let mut stream = jetstream.get_stream(format!("{}_LINE_WEBHOOK", stage.prefix)).await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    let mut left = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(sequence).await {
            left.push((sequence, String::from_utf8_lossy(&message.payload).into_owned()));
        }
    }
    left
}

#[tokio::test]
async fn an_erasure_is_complete_when_no_copy_can_come_and_forgets_whom_it_was_of() {
    let stage = Stage::new("complete").await;
    let replica = stage.start().await;
    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    let ask = EraseLineUserRequest { line_user_id: HANAKO.to_owned(), ..<_>::default() };
    let begun = erasures.erase_line_user(ask).await.unwrap().into_inner().erasure.unwrap();
    looked(&stage, 1).await;
    let aged = "UPDATE ingest.erasure SET create_time = create_time - interval '92 days', due_at = now()";
    sqlx::query(aged).execute(&mut stage.admin().await).await.unwrap();
    eventually(SOON, || {
        let (mut erasures, id) = (erasures.clone(), begun.erasure_id.clone());
        async move { (read(&mut erasures, &id).await.state() == ErasureState::Complete).then_some(()) }
    })
    .await
    .unwrap();
    assert_eq!(stage.count("SELECT count(*) FROM ingest.erasure WHERE line_user IS NOT NULL").await, 0);
    replica.stop().await;
}

#[tokio::test]
async fn an_erasure_that_is_not_one_is_refused_by_field_and_right() {
    let stage = Stage::new("erase_bad").await;
    let replica = stage.start().await;
    let mut ours = erasures(&stage, &replica, &stage.account).await;
    for (line_user_id, request_id) in [("", ""), ("hanako", ""), (HANAKO, "7")] {
        let ask = EraseLineUserRequest { line_user_id: line_user_id.to_owned(), request_id: request_id.to_owned() };
        assert_eq!(ours.erase_line_user(ask).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let bad = ours.list_erasures(ListErasuresRequest { cause: 9, ..<_>::default() }).await.unwrap_err();
    assert!(bad.code() == Code::InvalidArgument && bad.message().contains("cause"), "{bad}");
    let bad = ours.get_erasure(GetErasureRequest { erasure_id: "7".to_owned() }).await.unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    let lesser = stage.caller(&replica, stage.account.tenant, &[Right::OperationsManage]).await;
    let ask = EraseLineUserRequest { line_user_id: HANAKO.to_owned(), ..<_>::default() };
    let refused = ErasureServiceClient::new(lesser).erase_line_user(ask).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.erasure").await, 0);
    replica.stop().await;
}

#[tokio::test]
async fn a_process_killed_between_archive_and_stream_leaves_the_rest_to_the_next() {
    let stage = Stage::new("unsend_killed").await;
    let replica = stage.start().await;
    let (message, text) = said("message", HANAKO, "4711");
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    stage.eventually_published(&[message]).await;
    replica.stop().await;

    let mut killed = stage.program("ingest.after_cut", testkit::port::free(), testkit::port::free());
    let tenant = stage.account.tenant.uuid();
    let unsend = Uuid::from_u128(new_id().parse::<ulid::Ulid>().unwrap().0);
    sqlx::query(
        "INSERT INTO ingest.erasure (tenant_id, erasure_id, account_id, unsend_event_id, message_id) VALUES ($1, $2, $3, $4, '4711')",
    )
    .bind(tenant)
    .bind(Uuid::new_v4())
    .bind(stage.account.id.uuid())
    .bind(unsend)
    .execute(&mut stage.admin().await)
    .await
    .unwrap();
    let status = killed.exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(9), "{:?}", killed.lines());
    assert_eq!(everything(&stage).await.matches("words of 4711").count(), 1, "in the stream alone");
    // Its claim is over.
    sqlx::query("UPDATE ingest.erasure SET due_at = now()").execute(&mut stage.admin().await).await.unwrap();
    let replica = stage.start().await;
    looked(&stage, 1).await;
    assert_eq!(everything(&stage).await.matches("words of 4711").count(), 0);
    assert_eq!(stage.count("SELECT sum(erased)::bigint FROM ingest.erasure").await, 1);
    replica.stop().await;
}
