//! A person who is to be forgotten, where no event ID leads to them.

use chrono::TimeDelta;
use contracts::ingest::v1::ErasureState;
use testkit::eventually;

use super::{HANAKO, TARO, erasures, everything, forget, looked, read, said, said_at, still_published};
use crate::stage::{SOON, Stage, body, body_for, new_id, now};

/// Has every erasure be looked for now, and waits until it was.
async fn look_again(stage: &Stage) {
    let looks = "SELECT sum(looks)::bigint FROM ingest.erasure";
    let before = stage.count(looks).await;
    sqlx::query("UPDATE ingest.erasure SET due_at = now()").execute(&mut stage.admin().await).await.unwrap();
    eventually(SOON, || async { (stage.count(looks).await > before).then_some(()) }).await.unwrap();
}

/// An event of Taro's in a group.
fn in_group(kind: &str, about: &str) -> (String, String) {
    let (id, millis) = (new_id(), now().timestamp_millis());
    let source = format!(r#"{{"type":"group","groupId":"Caaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","userId":"{TARO}"}}"#);
    let text = format!(
        r#"{{"type":"{kind}","mode":"active","timestamp":{millis},"webhookEventId":"{id}","source":{source},{about}}}"#
    );
    (id, text)
}

#[tokio::test]
async fn a_person_is_cut_out_of_bodies_whose_event_ids_are_forgotten() {
    let stage = Stage::new("forget_body").await;
    let replica = stage.start().await;
    for text in [said("message", HANAKO, "1").1, said("message", TARO, "2").1] {
        assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    }
    // Bodies may be kept for longer than event IDs.
    sqlx::query("DELETE FROM ingest.seen_event").execute(&mut stage.admin().await).await.unwrap();
    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    let begun = forget(&mut erasures, HANAKO).await;
    looked(&stage, 1).await;
    let kept = String::from_utf8(stage.kept("body").await.concat()).unwrap();
    assert!(!kept.contains(HANAKO) && kept.contains("words of 2"), "{kept}");
    let done = read(&mut erasures, &begun.erasure_id).await;
    assert_eq!((done.state(), done.erased_event_count), (ErasureState::Erased, 1));
    replica.stop().await;
}

#[tokio::test]
async fn where_others_named_them_the_name_goes_and_the_rest_is_published_once_more() {
    let stage = Stage::new("forget_named").await;
    let replica = stage.start().await;
    let member = |user: &str| format!(r#"{{"type":"user","userId":"{user}"}}"#);
    let joined = |members: &[&str]| {
        let members: Vec<String> = members.iter().map(|user| member(user)).collect();
        in_group("memberJoined", &format!(r#""joined":{{"members":[{}]}}"#, members.join(",")))
    };
    let mentionee = format!(r#"{{"index":0,"length":6,"type":"user","userId":"{HANAKO}"}}"#);
    let about = format!(
        r#""message":{{"id":"1","type":"text","text":"@Hanako, are you there?","mention":{{"mentionees":[{mentionee}]}}}}"#
    );
    let (mentions, with_taro, alone) = (in_group("message", &about), joined(&[HANAKO, TARO]), joined(&[HANAKO]));
    let texts = [&mentions.1, &with_taro.1, &alone.1].map(Clone::clone);
    assert_eq!(replica.post(&stage.account, body(&texts)).await, 200);
    stage.eventually_published(&[mentions.0.clone(), with_taro.0.clone(), alone.0.clone()]).await;

    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    let begun = forget(&mut erasures, HANAKO).await;
    looked(&stage, 1).await;
    let left = everything(&stage).await;
    assert!(!left.contains(HANAKO) && !left.contains("@Hanak"), "{left}");
    assert_eq!((left.matches("are you there?").count(), left.matches(alone.0.as_str()).count()), (2, 0));
    assert_eq!(read(&mut erasures, &begun.erasure_id).await.erased_event_count, 3);
    let published = still_published(&stage).await;
    for id in [&mentions.0, &with_taro.0] {
        assert_eq!(published.iter().filter(|(_, event)| event.contains(id.as_str())).count(), 1, "{id}");
    }
    replica.stop().await;
}

/// Publishes a copy of the stream's first message.
async fn copied(stage: &Stage, id: &str) {
    let jetstream = stage.jetstream().await;
    let stream = jetstream.get_stream(format!("{}_LINE_WEBHOOK", stage.prefix)).await.unwrap();
    let first = stream.get_raw_message(stream.cached_info().state.first_sequence).await.unwrap();
    let mut headers = first.headers.clone();
    headers.insert("Nats-Msg-Id", id);
    jetstream.publish_with_headers(first.subject.clone(), headers, first.payload.clone()).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn copies_that_are_published_after_the_first_look_go_with_a_later_one() {
    let stage = Stage::new("forget_late").await;
    let replica = stage.start().await;
    let (id, text) = said("message", HANAKO, "1");
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    stage.eventually_published(&[id]).await;
    // A witness that stays, so that the stream is never empty.
    let (witness, text) = said("message", TARO, "2");
    let original = stage.published().await.remove(0).0;
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    forget(&mut erasures, HANAKO).await;
    looked(&stage, 1).await;
    let jetstream = stage.jetstream().await;
    let mut headers = original.headers.clone();
    headers.insert("Nats-Msg-Id", "late");
    let late = jetstream.publish_with_headers(original.subject.clone(), headers, original.payload.clone()).await;
    late.unwrap().await.unwrap();
    assert!(everything(&stage).await.contains(HANAKO));
    look_again(&stage).await;
    let left = everything(&stage).await;
    assert!(!left.contains(HANAKO) && left.contains(&witness), "{left}");
    // In the end whose it was is forgotten.
    look_again(&stage).await;
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event WHERE line_user IS NOT NULL").await, 1);
    replica.stop().await;
}

#[tokio::test]
async fn copies_of_old_events_go_where_a_replay_may_have_published_them() {
    let stage = Stage::new("forget_replayed").await;
    let replica = stage.start().await;
    let (id, text) = said("message", HANAKO, "1");
    assert_eq!(replica.post(&stage.account, body(&[text])).await, 200);
    stage.eventually_published(&[id]).await;
    copied(&stage, "of a replay").await;
    // It came twenty days ago.
    let mut admin = stage.admin().await;
    let before: uuid::Uuid = sqlx::query_scalar("SELECT body_id FROM ingest.body").fetch_one(&mut admin).await.unwrap();
    let old = now() - TimeDelta::days(20);
    let after = kernel::BodyId::new(old).uuid();
    sqlx::query("SELECT ingest.ensure_partitions('body', ARRAY[$1])").bind(old).execute(&mut admin).await.unwrap();
    for update in ["UPDATE ingest.body SET body_id = $1", "UPDATE ingest.seen_event SET body_id = $1"] {
        sqlx::query(update).bind(after).execute(&mut admin).await.unwrap();
    }
    stage.renamed(before, after).await;
    sqlx::query(
        "INSERT INTO ingest.replay (tenant_id, replay_id, mode, state, phase, account_ids, event_types, planned_count, principal_id,
             finish_time) VALUES ($1, gen_random_uuid(), 'redrive', 'done', 'publishing', '{}', '{}', 1, gen_random_uuid(), now())",
    )
    .bind(stage.account.tenant.uuid())
    .execute(&mut admin)
    .await
    .unwrap();
    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    forget(&mut erasures, HANAKO).await;
    looked(&stage, 1).await;
    assert!(!everything(&stage).await.contains(HANAKO));
    replica.stop().await;
}

#[tokio::test]
async fn a_look_locks_nothing_that_it_does_not_change() {
    let stage = Stage::new("forget_locks").await;
    let replica = stage.start().await;
    for (user, message) in [(HANAKO, "1"), (TARO, "2")] {
        let quarantined = body_for("Uother", &[said("message", user, message).1]);
        assert_eq!(replica.post(&stage.account, quarantined).await, 200);
    }
    let mut holding = stage.admin().await;
    for lock in [
        "BEGIN",
        "SELECT * FROM ingest.quarantined_body WHERE body_id = (SELECT body_id FROM ingest.quarantined_body ORDER BY 1 DESC LIMIT 1)
         FOR UPDATE",
    ] {
        sqlx::query(lock).execute(&mut holding).await.unwrap();
    }
    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    forget(&mut erasures, HANAKO).await;
    looked(&stage, 1).await;
    let kept = String::from_utf8(stage.kept("quarantined_body").await.concat()).unwrap();
    assert!(!kept.contains(HANAKO) && kept.contains(TARO), "{kept}");
    replica.stop().await;
}

#[tokio::test]
async fn what_line_delivers_late_of_a_forgotten_person_goes_too_and_what_they_do_later_stays() {
    let stage = Stage::new("forget_delivered").await;
    let replica = stage.start().await;
    let (_, early) = said("message", HANAKO, "1");
    let witness = said("message", TARO, "2").1;
    let mut erasures = erasures(&stage, &replica, &stage.account).await;
    assert_eq!(replica.post(&stage.account, body(&[witness])).await, 200);
    forget(&mut erasures, HANAKO).await;
    looked(&stage, 1).await;
    // One body: what was from before, and what is of now.
    assert_eq!(replica.post(&stage.account, body(&[early, said("message", HANAKO, "3").1])).await, 200);
    look_again(&stage).await;
    let left = everything(&stage).await;
    assert!(!left.contains("words of 1") && left.contains("words of 2") && left.contains("words of 3"), "{left}");
    // Long after the asking only the events themselves tell which of them are from before.
    let long_ago = "UPDATE ingest.erasure SET create_time = now() - interval '1 hour'";
    sqlx::query(long_ago).execute(&mut stage.admin().await).await.unwrap();
    let (_, early) = said_at(now() - TimeDelta::hours(2), "message", HANAKO, "4");
    assert_eq!(replica.post(&stage.account, body(&[early, said("message", HANAKO, "5").1])).await, 200);
    look_again(&stage).await;
    let left = everything(&stage).await;
    let stays = ["words of 2", "words of 3", "words of 5"];
    assert!(!left.contains("words of 4") && stays.iter().all(|words| left.contains(words)), "{left}");
    replica.stop().await;
}
