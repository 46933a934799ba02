//! Quarantined bodies explained, released and dropped by a person.

mod killed;

use bytes::Bytes;
use chassis::HostConfig;
use chassis::grpc::Client;
use chrono::TimeDelta;
use contracts::access_proto::v1::Right;
use contracts::events::v1::AccountReplica;
use contracts::ingest::v1::quarantine_service_client::QuarantineServiceClient;
use contracts::ingest::v1::{
    DropQuarantinedBodyRequest, GetQuarantinedBodyRequest, GetQuarantinedBodyResponse, ListQuarantinedBodiesRequest,
    QuarantineReason, QuarantineState, QuarantinedBody, QuarantinedEvent, QuarantinedEventStanding, ReleaseObstacle,
    ReleaseQuarantinedBodyRequest, ReleaseQuarantinedBodyResponse,
};
use contracts::to_timestamp;
use futures::future::join_all;
use testkit::eventually;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use webhook_ingest::Config;

use crate::stage::{BOT, Replica, SOON, Stage, TestAccount, body, body_for, event, id_at, new_id, now};

const MANAGER: [Right; 3] = [Right::OperationsRead, Right::OperationsManage, Right::LineUserIdRead];
const OTHER_BOT: &str = "U00000000000000000000000000000000";
const WAITING: &str = "SELECT count(*) FROM ingest.quarantined_body WHERE state = 'waiting'";

type Quarantine = QuarantineServiceClient<Client>;

/// Whoever looks after the quarantine of the stage's tenant.
async fn manager(stage: &Stage, replica: &Replica) -> Quarantine {
    QuarantineServiceClient::new(stage.caller(replica, stage.account.tenant, &MANAGER).await)
}

async fn listed(quarantine: &Quarantine) -> Vec<QuarantinedBody> {
    let all = ListQuarantinedBodiesRequest::default();
    quarantine.clone().list_quarantined_bodies(all).await.unwrap().into_inner().bodies
}

async fn get(quarantine: &Quarantine, body_id: &str) -> GetQuarantinedBodyResponse {
    let ask = GetQuarantinedBodyRequest { body_id: body_id.to_owned() };
    quarantine.clone().get_quarantined_body(ask).await.unwrap().into_inner()
}

async fn release(
    quarantine: &Quarantine,
    body: &QuarantinedBody,
    accept_outside_window: bool,
) -> Result<ReleaseQuarantinedBodyResponse, Status> {
    let ask =
        ReleaseQuarantinedBodyRequest { body_id: body.body_id.clone(), etag: String::new(), accept_outside_window };
    quarantine.clone().release_quarantined_body(ask).await.map(tonic::Response::into_inner)
}

async fn drop_body(quarantine: &Quarantine, body: &QuarantinedBody, etag: &str) -> Result<QuarantinedBody, Status> {
    let ask = DropQuarantinedBodyRequest { body_id: body.body_id.clone(), etag: etag.to_owned() };
    let dropped = quarantine.clone().drop_quarantined_body(ask).await;
    dropped.map(|answer| answer.into_inner().body.unwrap())
}

/// The refusal's code and reason.
fn why<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (Code, String) {
    let status = outcome.unwrap_err();
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

/// LINE confirms that the account has another bot than was believed.
async fn correct_bot(stage: &Stage, quarantine: &Quarantine, body_id: &str, bot: &str) {
    let corrected = AccountReplica { bot_user_id: bot.to_owned(), ..stage.replica_of(&stage.account, 2) };
    stage.put(&stage.account, corrected).await;
    eventually(SOON, || async { (get(quarantine, body_id).await.bot_user_id == bot).then_some(()) }).await.unwrap();
}

/// A replica, its quarantine, and one body in it for another bot, with these events.
async fn one_for_another_bot(stage: &Stage, replica: &Replica, ids: &[String]) -> (Quarantine, QuarantinedBody) {
    let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
    assert_eq!(replica.post(&stage.account, body_for(OTHER_BOT, &events)).await, 200);
    let quarantine = manager(stage, replica).await;
    let found = listed(&quarantine).await.remove(0);
    (quarantine, found)
}

#[tokio::test]
async fn a_body_for_another_bot_enters_once_the_account_is_that_bot_and_not_before() {
    let stage = Stage::new("release").await;
    let replica = stage.start().await;
    let ids = [new_id(), new_id()];
    let (quarantine, found) = one_for_another_bot(&stage, &replica, &ids).await;
    let told = get(&quarantine, &found.body_id).await;
    assert_eq!((told.destination.as_str(), told.bot_user_id.as_str()), (OTHER_BOT, BOT));
    let explanation = told.explanation.clone().unwrap();
    assert!(explanation.ja.contains("宛先") && explanation.en.contains("another bot"));
    assert_eq!((told.release_obstacle(), told.release_count), (ReleaseObstacle::WrongDestination, 0));
    let events: Vec<_> = told.events.iter().map(|event| (event.webhook_event_id.clone(), event.standing())).collect();
    assert_eq!(events, ids.clone().map(|id| (id, QuarantinedEventStanding::InsideWindow)));
    assert!(told.raw.starts_with(br#"{"destination""#) && !told.release_explanation.unwrap().ja.is_empty());
    for outside in [false, true] {
        let refused = release(&quarantine, &found, outside).await;
        assert_eq!(why(refused), precondition("QUARANTINE_WRONG_DESTINATION"));
    }
    correct_bot(&stage, &quarantine, &found.body_id, "").await;
    assert_eq!(why(release(&quarantine, &found, false).await), precondition("QUARANTINE_BOT_UNKNOWN"));
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 0);

    let corrected = AccountReplica { bot_user_id: OTHER_BOT.to_owned(), ..stage.replica_of(&stage.account, 3) };
    stage.put(&stage.account, corrected).await;
    eventually(SOON, || async { (get(&quarantine, &found.body_id).await.release_count == 2).then_some(()) })
        .await
        .unwrap();
    let done = release(&quarantine, &found, false).await.unwrap();
    let released = done.body.clone().unwrap();
    assert_eq!((done.released_count, done.obstacle()), (2, ReleaseObstacle::Unspecified));
    assert_eq!((released.state(), released.size), (QuarantineState::Released, found.size));
    assert!(released.settle_time.is_some() && !released.principal_id.is_empty() && released.etag != found.etag);
    stage.eventually_published(&ids).await;
    let published = stage.published().await.remove(0).1;
    assert_eq!(
        to_timestamp(&published.receive_time.unwrap()).unwrap().timestamp_millis(),
        to_timestamp(&found.receive_time.unwrap()).unwrap().timestamp_millis(),
        "as of when it came"
    );

    // Again: nothing new. LINE delivers it again: nothing new either.
    assert_eq!(release(&quarantine, &found, false).await.unwrap().released_count, 0);
    assert_eq!(why(drop_body(&quarantine, &found, "").await), precondition("QUARANTINE_SETTLED"));
    let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
    assert_eq!(replica.post(&stage.account, body_for(OTHER_BOT, &events)).await, 200);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 2);
    assert_eq!(stage.published().await.len(), 2);
    let audited =
        "SELECT count(*) FROM ingest.audit WHERE action = 'quarantined_body.release' AND principal_id IS NOT NULL";
    assert_eq!(stage.count(audited).await, 1);
    assert!(get(&quarantine, &found.body_id).await.raw.is_empty(), "its content is in the archive alone");
}

#[tokio::test]
async fn many_who_release_at_once_at_two_replicas_let_each_event_in_once() {
    let stage = Stage::new("release_race").await;
    let (first, second) = (stage.start().await, stage.start().await);
    let shared = new_id();
    // Two bodies that have an event in common.
    for own in [new_id(), new_id()] {
        let events = [event(&shared), event(&own)];
        assert_eq!(first.post(&stage.account, body_for(OTHER_BOT, &events)).await, 200);
    }
    let clients = [manager(&stage, &first).await, manager(&stage, &second).await];
    let bodies = listed(&clients[0]).await;
    for client in &clients {
        correct_bot(&stage, client, &bodies[0].body_id, OTHER_BOT).await;
    }
    let calls = (0..24).map(|n| release(&clients[n % 2], &bodies[n / 2 % 2], false));
    let released: i32 = join_all(calls).await.into_iter().map(|done| done.unwrap().released_count).sum();
    assert_eq!(released, 3);
    let ids: Vec<String> = sqlx::query_scalar::<_, uuid::Uuid>("SELECT event_id FROM ingest.seen_event")
        .fetch_all(&mut stage.admin().await)
        .await
        .unwrap()
        .into_iter()
        .map(|id| ulid::Ulid(id.as_u128()).to_string())
        .collect();
    assert_eq!(ids.len(), 3);
    stage.eventually_published(&ids).await;
    assert_eq!(stage.count(WAITING).await, 0);
    let audited = "SELECT count(*) FROM ingest.audit WHERE action = 'quarantined_body.release'";
    assert_eq!(stage.count(audited).await, 2, "each body was released by one of them");
}

#[tokio::test]
async fn what_lies_outside_the_window_enters_expressly_and_is_known_from_then_on() {
    let stage = Stage::new("release_window").await;
    let replica = stage.start().await;
    let (old, ahead) = (id_at(now() - TimeDelta::days(200)), id_at(now() + TimeDelta::days(60)));
    for copy in [&old, &ahead, &old] {
        assert_eq!(replica.post(&stage.account, body(&[event(copy)])).await, 200);
    }
    let quarantine = manager(&stage, &replica).await;
    let mut bodies = listed(&quarantine).await;
    bodies.reverse();
    let told = get(&quarantine, &bodies[0].body_id).await;
    assert_eq!(told.events[0].standing(), QuarantinedEventStanding::OutsideWindow);
    assert_eq!(told.release_obstacle(), ReleaseObstacle::OutsideWindow);
    assert_eq!(why(release(&quarantine, &bodies[0], false).await), precondition("QUARANTINE_OUTSIDE_WINDOW"));
    for body in &bodies[..2] {
        assert_eq!(release(&quarantine, body, true).await.unwrap().released_count, 1);
    }
    stage.eventually_published(&[old.clone(), ahead]).await;

    // Retention comes by: it drops an old week nobody keeps, and not that of the old ID.
    let ensure = "SELECT ingest.ensure_partitions('seen_event', ARRAY[now() - interval '150 days'])";
    sqlx::query(ensure).execute(&mut stage.admin().await).await.unwrap();
    let partitions = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ingest.seen_event'::regclass";
    let before = stage.count(partitions).await;
    let second = stage.start().await;
    eventually(SOON, || async {
        let left = stage.count(partitions).await;
        if left == before - 1 { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    assert_eq!(get(&quarantine, &bodies[2].body_id).await.events[0].standing(), QuarantinedEventStanding::Accepted);
    let again = release(&quarantine, &bodies[2], true).await.unwrap();
    assert_eq!((again.released_count, again.body.unwrap().state()), (0, QuarantineState::Released));
    assert_eq!(stage.published().await.len(), 2);

    // What lies so far outside that it could not be known for long does not enter at all.
    for days in [-600, 400] {
        let beyond = body(&[event(&id_at(now() + TimeDelta::days(days)))]);
        assert_eq!(replica.post(&stage.account, beyond).await, 200);
        let found = listed(&quarantine).await.remove(0);
        let standing = get(&quarantine, &found.body_id).await.events[0].standing();
        assert_eq!(standing, QuarantinedEventStanding::OutOfReach);
        assert_eq!(why(release(&quarantine, &found, true).await), precondition("QUARANTINE_OUT_OF_REACH"));
    }
    // Once its time is over, the week goes as well.
    let over = "UPDATE ingest.kept_week SET kept_until = now()";
    sqlx::query(over).execute(&mut stage.admin().await).await.unwrap();
    let third = stage.start().await;
    let of_old = "SELECT count(*) FROM ingest.seen_event WHERE event_id < ingest.first_id(now() - interval '199 days')";
    eventually(SOON, || async { (stage.count(of_old).await == 0).then_some(()) }).await.unwrap();
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 1);
    second.stop().await;
    third.stop().await;
}

#[tokio::test]
async fn what_can_be_read_enters_and_the_rest_waits() {
    let stage = Stage::new("release_part").await;
    let replica = stage.start().await;
    let id = new_id();
    let mixed = body_for(OTHER_BOT, &[event(&id), r#"{"type":7}"#.to_owned()]);
    assert_eq!(replica.post(&stage.account, mixed).await, 200);
    assert_eq!(replica.post(&stage.account, Bytes::from_static(b"not a webhook")).await, 200);
    let quarantine = manager(&stage, &replica).await;
    let bodies = listed(&quarantine).await;
    let garbage = get(&quarantine, &bodies[0].body_id).await;
    assert_eq!((garbage.destination.as_str(), garbage.events.len()), ("", 0));
    assert_eq!(garbage.release_obstacle(), ReleaseObstacle::Unreadable);
    assert_eq!(why(release(&quarantine, &bodies[0], true).await), precondition("QUARANTINE_UNREADABLE"));
    correct_bot(&stage, &quarantine, &bodies[1].body_id, OTHER_BOT).await;
    let told = get(&quarantine, &bodies[1].body_id).await;
    assert_eq!((told.unreadable_count, told.release_count), (1, 1));
    let done = release(&quarantine, &bodies[1], false).await.unwrap();
    let left = done.body.clone().unwrap();
    assert_eq!((done.released_count, done.obstacle()), (1, ReleaseObstacle::Unreadable));
    assert_eq!(left.state(), QuarantineState::Waiting);
    assert!(left.etag != bodies[1].etag && left.size > 0);
    stage.eventually_published(&[id]).await;
    assert_eq!(why(release(&quarantine, &bodies[1], false).await), precondition("QUARANTINE_UNREADABLE"));
    let told = get(&quarantine, &bodies[1].body_id).await;
    assert_eq!(told.events[0].standing(), QuarantinedEventStanding::Accepted);
    // Whoever decided on the body as it was is told.
    assert_eq!(why(drop_body(&quarantine, &left, &bodies[1].etag).await), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    assert_eq!(drop_body(&quarantine, &left, &left.etag).await.unwrap().state(), QuarantineState::Dropped);
}

#[tokio::test]
async fn a_part_that_was_stored_with_its_body_enters_beside_it() {
    let stage = Stage::new("release_beside").await;
    let replica = stage.start().await;
    let (inside, outside) = (new_id(), id_at(now() + TimeDelta::days(3)));
    assert_eq!(replica.post(&stage.account, body(&[event(&inside), event(&outside)])).await, 200);
    let quarantine = manager(&stage, &replica).await;
    let found = listed(&quarantine).await.remove(0);
    assert_eq!(why(release(&quarantine, &found, false).await), precondition("QUARANTINE_OUTSIDE_WINDOW"));
    assert_eq!(release(&quarantine, &found, true).await.unwrap().released_count, 1);
    stage.eventually_published(&[inside, outside]).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.body").await, 2);
}

#[tokio::test]
async fn what_was_handled_and_is_forgotten_since_is_not_let_in_again() {
    let stage = Stage::new("release_forgotten").await;
    let keeping = || Config { body_days: 300, ..stage.config() };
    let first = stage.start_with(keeping(), HostConfig::loopback()).await;
    first.ready().await;
    let (inside, outside) = (new_id(), id_at(now() - TimeDelta::days(200)));
    assert_eq!(first.post(&stage.account, body(&[event(&inside), event(&outside)])).await, 200);
    stage.eventually_published(std::slice::from_ref(&inside)).await;
    first.stop().await;
    // A hundred days later the ID is known no more, and the body is there.
    let later = kernel::ManualClock::at(now() + TimeDelta::days(100));
    let life = HostConfig::loopback().with_clock(std::sync::Arc::new(later));
    let second = stage.start_with(keeping(), life).await;
    second.ready().await;
    eventually(SOON, || async { (stage.count("SELECT count(*) FROM ingest.seen_event").await == 0).then_some(()) })
        .await
        .unwrap();
    let quarantine = manager(&stage, &second).await;
    let found = listed(&quarantine).await.remove(0);
    let standings: Vec<_> =
        get(&quarantine, &found.body_id).await.events.iter().map(QuarantinedEvent::standing).collect();
    assert_eq!(standings, [QuarantinedEventStanding::OutOfReach, QuarantinedEventStanding::OutsideWindow]);
    let done = release(&quarantine, &found, true).await.unwrap();
    assert_eq!((done.released_count, done.obstacle()), (1, ReleaseObstacle::OutOfReach));
    stage.eventually_published(&[inside, outside]).await;
    second.stop().await;
}

#[tokio::test]
async fn a_dropped_body_is_erased_and_who_did_it_stays() {
    let stage = Stage::new("drop").await;
    let replica = stage.start().await;
    let (quarantine, found) = one_for_another_bot(&stage, &replica, &[new_id()]).await;
    assert_eq!(why(drop_body(&quarantine, &found, "\"7\"").await), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let dropped = drop_body(&quarantine, &found, &found.etag).await.unwrap();
    assert_eq!((dropped.state(), dropped.size), (QuarantineState::Dropped, found.size));
    assert!(dropped.settle_time.is_some() && !dropped.principal_id.is_empty());
    assert_eq!(drop_body(&quarantine, &found, "").await.unwrap(), dropped, "again changes nothing");
    assert_eq!(why(release(&quarantine, &found, true).await), precondition("QUARANTINE_SETTLED"));
    let told = get(&quarantine, &found.body_id).await;
    assert!(told.raw.is_empty() && told.events.is_empty() && told.destination.is_empty());
    let audited = "SELECT count(*) FROM ingest.audit WHERE action = 'quarantined_body.drop'";
    assert_eq!(stage.count(audited).await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.quarantined_body WHERE payload <> ''").await, 0);
}

#[tokio::test]
async fn each_sees_and_does_what_its_rights_and_its_tenant_allow() {
    let stage = Stage::new("quarantine_rights").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = stage.start().await;
    let (quarantine, found) = one_for_another_bot(&stage, &replica, &[new_id()]).await;
    assert_eq!(replica.post(&stage.account, Bytes::from_static(b"not a webhook")).await, 200);
    for rights in
        [vec![Right::OperationsRead, Right::OperationsManage], vec![Right::OperationsRead, Right::LineUserIdRead]]
    {
        let client = stage.caller(&replica, stage.account.tenant, &rights).await;
        let told = get(&QuarantineServiceClient::new(client), &found.body_id).await;
        assert!(told.raw.is_empty() && told.events.len() == 1, "{rights:?}");
    }
    let readings = "SELECT count(*) FROM ingest.audit WHERE action = 'quarantined_body.read'";
    assert_eq!(stage.count(readings).await, 0);
    assert!(!get(&quarantine, &found.body_id).await.raw.is_empty());
    assert_eq!(stage.count(readings).await, 1, "who read it to the byte stands in the audit trail");
    let reader = QuarantineServiceClient::new(
        stage.caller(&replica, stage.account.tenant, &[Right::OperationsRead, Right::LineUserIdRead]).await,
    );
    assert_eq!(why(release(&reader, &found, false).await).0, Code::PermissionDenied);
    assert_eq!(why(drop_body(&reader, &found, "").await).0, Code::PermissionDenied);
    let theirs = QuarantineServiceClient::new(stage.caller(&replica, other.tenant, &MANAGER).await);
    assert_eq!(why(release(&theirs, &found, true).await).0, Code::NotFound);
    assert_eq!(why(drop_body(&theirs, &found, "").await).0, Code::NotFound);
    let ask = GetQuarantinedBodyRequest { body_id: found.body_id.clone() };
    assert_eq!(why(theirs.clone().get_quarantined_body(ask).await).0, Code::NotFound);
    assert!(listed(&theirs).await.is_empty());
    for body_id in ["", "nonsense"] {
        let ask = GetQuarantinedBodyRequest { body_id: body_id.to_owned() };
        assert_eq!(why(quarantine.clone().get_quarantined_body(ask).await).0, Code::InvalidArgument);
    }
    assert_eq!(stage.count(WAITING).await, 2);

    drop_body(&quarantine, &found, "").await.unwrap();
    let ask = |state: QuarantineState, reason: QuarantineReason| ListQuarantinedBodiesRequest {
        state: state.into(),
        reason: reason.into(),
        ..<_>::default()
    };
    for (state, reason, count) in [
        (QuarantineState::Unspecified, QuarantineReason::Unspecified, 2),
        (QuarantineState::Waiting, QuarantineReason::Unspecified, 1),
        (QuarantineState::Dropped, QuarantineReason::WrongDestination, 1),
        (QuarantineState::Dropped, QuarantineReason::Unreadable, 0),
        (QuarantineState::Unspecified, QuarantineReason::Unreadable, 1),
        (QuarantineState::Released, QuarantineReason::OutsideWindow, 0),
    ] {
        let page = quarantine.clone().list_quarantined_bodies(ask(state, reason)).await.unwrap().into_inner();
        assert_eq!(page.bodies.len(), count, "{state:?} {reason:?}");
    }
    for wrong in [
        ListQuarantinedBodiesRequest { state: 9, ..<_>::default() },
        ListQuarantinedBodiesRequest { reason: 9, ..<_>::default() },
        ListQuarantinedBodiesRequest { page_token: "AAAA".to_owned(), ..<_>::default() },
    ] {
        assert_eq!(why(quarantine.clone().list_quarantined_bodies(wrong).await).0, Code::InvalidArgument);
    }
}
