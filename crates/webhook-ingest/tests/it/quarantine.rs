//! What is proved and cannot be handled is answered 200, quarantined and told.

use bytes::Bytes;
use chrono::TimeDelta;
use testkit::eventually;

use crate::stage::{SOON, Stage, UNPUBLISHED, body, body_for, event, id_at, new_id, now, one};

async fn quarantined(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let reasons: Vec<String> = sqlx::query_scalar("SELECT reason FROM ingest.quarantined_body ORDER BY body_id")
        .fetch_all(&mut stage.admin().await)
        .await
        .unwrap();
    reasons.into_iter().zip(stage.kept("quarantined_body").await).collect()
}

#[tokio::test]
async fn a_body_for_another_bot_or_none_at_all_is_quarantined() {
    let stage = Stage::new("quarantine").await;
    let replica = stage.start().await;
    let foreign = body_for("U00000000000000000000000000000000", &[event(&new_id())]);
    let garbage = Bytes::from_static(b"\x00\xffnot json");
    assert_eq!(replica.post(&stage.account, foreign.clone()).await, 200);
    assert_eq!(replica.post(&stage.account, garbage.clone()).await, 200);
    let expected = [("wrong_destination".to_owned(), foreign.to_vec()), ("unreadable".to_owned(), garbage.to_vec())];
    assert_eq!(quarantined(&stage).await, expected);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.seen_event").await, 0);
    eventually(SOON, || async {
        let kinds = stage
            .count("SELECT count(*) FROM ingest.finding WHERE kind IN ('wrong_destination', 'unreadable_body')")
            .await;
        (kinds == 2).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_body_of_a_faulty_event_is_quarantined_and_its_neighbours_are_published() {
    let stage = Stage::new("faulty").await;
    let replica = stage.start().await;
    let (first, last) = (new_id(), new_id());
    let mixed = body(&[event(&first), r#"{"type":7}"#.to_owned(), event(&last)]);
    assert_eq!(replica.post(&stage.account, mixed.clone()).await, 200);
    assert_eq!(quarantined(&stage).await, [("unreadable".to_owned(), mixed.to_vec())]);
    stage.eventually_published(&[first, last]).await;
}

#[tokio::test]
async fn the_body_of_an_event_whose_repetition_could_not_be_told_is_quarantined() {
    let stage = Stage::new("window").await;
    let replica = stage.start().await;
    let fresh = new_id();
    for days in [-91, 2] {
        let outside = body(&[event(&id_at(now() + TimeDelta::days(days)))]);
        assert_eq!(replica.post(&stage.account, outside).await, 200);
    }
    assert_eq!(replica.post(&stage.account, body(&[event(&fresh)])).await, 200);
    assert!(quarantined(&stage).await.iter().all(|(reason, _)| reason == "outside_window"));
    assert_eq!(quarantined(&stage).await.len(), 2);
    stage.eventually_published(&[fresh]).await;
}

#[tokio::test]
async fn a_late_event_within_the_window_is_taken_although_its_partition_is_missing() {
    let stage = Stage::new("late").await;
    let replica = stage.start().await;
    let late = id_at(now() - TimeDelta::days(80));
    let (id, body_now) = one();
    let (late_body, both) = (body(&[event(&late)]), futures::future::join_all);
    let posts = [replica.post(&stage.account, late_body.clone()), replica.post(&stage.account, body_now)];
    assert_eq!(both(posts).await, [200, 200]);
    assert_eq!(replica.post(&stage.account, late_body).await, 200);
    stage.eventually_published(&[late, id]).await;
}

#[tokio::test]
async fn a_commit_of_quarantined_bodies_alone_takes_along_the_marks_it_was_given() {
    let stage = Stage::new("quarantine_marks").await;
    let replica = stage.start().await;
    let mut ids = Vec::new();
    for _ in 0..60 {
        let (id, sound) = one();
        assert_eq!(replica.post(&stage.account, sound).await, 200);
        ids.push(id);
        for _ in 0..3 {
            assert_eq!(replica.post(&stage.account, Bytes::from_static(b"not json")).await, 200);
        }
    }
    replica.stop().await;
    // Nobody is left who would publish again what seems unpublished.
    assert_eq!(stage.count(UNPUBLISHED).await, 0);
    assert_eq!(stage.published().await.len(), ids.len());
}
