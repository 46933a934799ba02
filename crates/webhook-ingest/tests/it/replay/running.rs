//! What a redrive publishes, how it is stopped, and whom it leaves alone.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use chassis::HostConfig;
use contracts::ingest::v1::{ReplayState, StartReplayRequest};
use uuid::Uuid;

use super::{Operator, copies, of_type, published_once, redrive, taken};
use crate::stage::{Replica, Stage, TestAccount, body, event, new_id, one};

async fn slow(stage: &Stage, per_second: u32) -> Replica {
    let mut config = stage.config();
    config.replayed_per_second = NonZeroU32::new(per_second).unwrap();
    let replica = stage.start_with(config, HostConfig::loopback()).await;
    replica.ready().await;
    replica
}

#[tokio::test]
async fn a_redrive_publishes_what_matches_once_as_it_was_with_effects_on() {
    let stage = Stage::new("redrive").await;
    let replica = stage.start().await;
    let (wanted, raw) = (new_id(), |id: &str| of_type(id, "follow"));
    let events = [event(&new_id()), raw(&wanted), event(&new_id())];
    replica.deliver(&stage.account, body(&events)).await;
    taken_all(&stage, 3).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let request = StartReplayRequest { event_types: vec!["follow".to_owned()], ..redrive() };
    let replay = ours.begun(request).await;
    assert_eq!((replay.planned_count, replay.event_types.len()), (1, 1));
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!((done.published_count, done.skipped_count), (1, 0));
    assert!(done.finish_time.is_some() && !done.last_webhook_event_id.is_empty() && !done.principal_id.is_empty());
    published_once(&stage, &done.replay_id, std::slice::from_ref(&wanted), false).await;
    let (original, copy) = {
        let mut both: Vec<_> =
            stage.published().await.into_iter().filter(|(_, event)| event.webhook_event_id == wanted).collect();
        (both.remove(0), both.remove(0))
    };
    assert_eq!(original.1, copy.1, "it says the same");
    assert_eq!(original.0.subject, copy.0.subject);
    assert_eq!(original.0.headers.get("ce-id"), copy.0.headers.get("ce-id"));
    assert_eq!(copy.0.headers.get("tsunagi-rebuild"), None);
    // A second one is another round: the stream takes its copies, too.
    let again = ours.begun(StartReplayRequest { event_types: vec!["follow".to_owned()], ..redrive() }).await;
    ours.until(&again.replay_id, ReplayState::Done).await;
    published_once(&stage, &again.replay_id, &[wanted], false).await;
}

/// Waits until the stream has so many events.
async fn taken_all(stage: &Stage, count: usize) {
    let all = || async { (stage.published().await.len() == count).then_some(()) };
    testkit::eventually(crate::stage::SOON, all).await.unwrap();
}

#[tokio::test]
async fn what_consumers_may_have_forgotten_is_published_with_effects_off() {
    let stage = Stage::new("redrive_old").await;
    let replica = stage.start().await;
    let ids = taken(&stage, &replica, &stage.account, 10).await;
    let mut admin = stage.admin().await;
    // Their body was received a fortnight ago.
    let days = |id: Uuid| Uuid::from_u128(id.as_u128() - ((14 * 86_400_000) << 80));
    let body: Uuid = sqlx::query_scalar("SELECT body_id FROM ingest.body").fetch_one(&mut admin).await.unwrap();
    sqlx::query("SELECT ingest.ensure_partitions('body', ARRAY[now() - interval '14 days'])")
        .execute(&mut admin)
        .await
        .unwrap();
    for table in [
        "UPDATE ingest.body SET body_id = $2 WHERE body_id = $1",
        "UPDATE ingest.seen_event SET body_id = $2 WHERE body_id = $1",
    ] {
        sqlx::query(table).bind(body).bind(days(body)).execute(&mut admin).await.unwrap();
    }
    stage.renamed(body, days(body)).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(redrive()).await;
    ours.until(&replay.replay_id, ReplayState::Done).await;
    published_once(&stage, &replay.replay_id, &ids, true).await;
}

#[tokio::test]
async fn what_was_cut_out_of_a_body_is_passed_over_and_counted() {
    let stage = Stage::new("redrive_cut").await;
    let replica = stage.start().await;
    let (cut, kept) = (new_id(), new_id());
    let whole = body(&[event(&cut), event(&kept)]);
    replica.deliver(&stage.account, whole).await;
    taken_all(&stage, 2).await;
    let without = format!(r#"{{"destination":"{}","events":[null,{}]}}"#, crate::stage::BOT, event(&kept));
    stage.redacted(without.as_bytes()).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(redrive()).await;
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!((done.planned_count, done.published_count, done.skipped_count), (2, 1, 1));
    published_once(&stage, &done.replay_id, &[kept], false).await;
}

#[tokio::test]
async fn a_stopped_replay_ends_and_publishes_no_more_and_a_new_one_does_the_rest() {
    let stage = Stage::new("redrive_stop").await;
    let replica = slow(&stage, 5).await;
    let ids = taken(&stage, &replica, &stage.account, 40).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(redrive()).await;
    testkit::eventually(crate::stage::SOON, || async {
        (ours.get(&replay.replay_id).await.unwrap().published_count > 0).then_some(())
    })
    .await
    .unwrap();
    let told = ours.stop(&replay.replay_id).await.unwrap();
    assert!(matches!(told.state(), ReplayState::Stopping | ReplayState::Stopped), "{told:?}");
    let stopped = ours.until(&replay.replay_id, ReplayState::Stopped).await;
    assert!(stopped.published_count < 40 && stopped.finish_time.is_some(), "{stopped:?}");
    assert_eq!(i64::try_from(copies(&stage, &replay.replay_id).await.len()).unwrap(), stopped.published_count);
    assert_eq!(ours.stop(&replay.replay_id).await.unwrap(), stopped, "stopping it again changes nothing");
    replica.stop().await;

    let replica = stage.start().await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let again = ours.begun(redrive()).await;
    let done = ours.until(&again.replay_id, ReplayState::Done).await;
    published_once(&stage, &done.replay_id, &ids, false).await;
    assert_eq!(ours.get(&replay.replay_id).await.unwrap(), stopped, "what was stopped stays so");
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM ingest.audit WHERE action LIKE 'replay.%' ORDER BY audit_id")
            .fetch_all(&mut stage.admin().await)
            .await
            .unwrap();
    assert_eq!(actions, ["replay.start", "replay.stop", "replay.start"]);
}

#[tokio::test]
async fn two_replicas_share_a_replay_and_each_event_is_published_once() {
    let stage = Stage::new("redrive_two").await;
    let (first, second) = (slow(&stage, 100).await, slow(&stage, 100).await);
    let ids = taken(&stage, &first, &stage.account, 300).await;
    let ours = Operator::of(&stage, &second, stage.account.tenant).await;
    let replay = ours.begun(redrive()).await;
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!((done.published_count, done.skipped_count), (300, 0));
    published_once(&stage, &done.replay_id, &ids, false).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_replay_keeps_its_pace_and_holds_up_neither_live_webhooks_nor_another_tenant() {
    let stage = Stage::new("redrive_pace").await;
    let other = TestAccount::new();
    stage.put(&other, stage.replica_of(&other, 1)).await;
    let replica = slow(&stage, 20).await;
    taken(&stage, &replica, &stage.account, 60).await;
    taken(&stage, &replica, &other, 10).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let theirs = Operator::of(&stage, &replica, other.tenant).await;
    let begun = Instant::now();
    let replay = ours.begun(redrive()).await;
    let short = theirs.begun(redrive()).await;
    let (live, payload) = one();
    replica.deliver(&stage.account, payload).await;
    let live_came = || async {
        let published = stage.published().await;
        published.iter().any(|(_, event)| event.webhook_event_id == live).then_some(())
    };
    testkit::eventually(crate::stage::SOON, live_came).await.unwrap();
    theirs.until(&short.replay_id, ReplayState::Done).await;
    let meanwhile = ours.get(&replay.replay_id).await.unwrap();
    assert_eq!(meanwhile.state(), ReplayState::Running, "both came while it goes on");
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "60 events at 20 a second took {:?}", begun.elapsed());
    assert_eq!(done.published_count, 60, "what came later is not its own");
    assert!(!copies(&stage, &replay.replay_id).await.contains_key(&live));
}
