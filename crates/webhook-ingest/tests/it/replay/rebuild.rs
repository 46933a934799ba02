//! A rebuild publishes everything, with effects off, under a name of its own.

use contracts::ingest::v1::ReplayState;

use super::{Operator, of_type, published_once, rebuild};
use crate::stage::{Stage, body, event, new_id};

#[tokio::test]
async fn a_rebuild_publishes_everything_with_effects_off_and_names_itself() {
    let stage = Stage::new("rebuild").await;
    let replica = stage.start().await;
    let mut ids: Vec<String> = (0..3).map(|_| new_id()).collect();
    ids.sort();
    let events = [event(&ids[0]), of_type(&ids[1], "follow"), of_type(&ids[2], "somethingNew")];
    replica.deliver(&stage.account, body(&events)).await;
    stage.eventually_published(&ids).await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(rebuild()).await;
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!((done.planned_count, done.published_count), (3, 3));
    published_once(&stage, &done.replay_id, &ids, true).await;
    for (message, event) in stage.published().await {
        let named = message.headers.get("tsunagi-rebuild").map(|name| name.as_str().to_owned());
        assert_eq!(named, event.effects_off.then(|| done.replay_id.clone()));
    }
}

#[tokio::test]
async fn a_rebuild_of_an_empty_archive_is_done_at_once() {
    let stage = Stage::new("rebuild_empty").await;
    let replica = stage.start().await;
    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let replay = ours.begun(rebuild()).await;
    let done = ours.until(&replay.replay_id, ReplayState::Done).await;
    assert_eq!((done.planned_count, done.published_count, done.last_webhook_event_id.as_str()), (0, 0, ""));
}
