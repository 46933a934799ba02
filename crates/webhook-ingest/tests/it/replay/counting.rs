//! What a replay would publish is counted first, and nothing is changed by it.

use contracts::timestamp;
use contracts::to_timestamp;

use super::{Operator, of_type, redrive};
use crate::stage::{Stage, TestAccount, body, event, id_at, new_id, now};

#[tokio::test]
async fn a_dry_run_counts_by_account_and_type_and_changes_nothing() {
    let stage = Stage::new("replay_count").await;
    let second = TestAccount { id: uuid::Uuid::new_v4().into(), ..TestAccount::new() };
    let second = TestAccount {
        tenant: stage.account.tenant,
        key: format!("{}.{}x", stage.account.tenant, "k".repeat(42)),
        ..second
    };
    stage.put(&second, stage.replica_of(&second, 1)).await;
    let replica = stage.start().await;
    let events = [event(&new_id()), event(&new_id()), of_type(&new_id(), "follow")];
    replica.deliver(&stage.account, body(&events)).await;
    replica.deliver(&second, body(&[event(&new_id())])).await;
    // Its body is gone, another one has lost something.
    let (gone, cut) = (id_at(now() - chrono::TimeDelta::seconds(5)), new_id());
    replica.deliver(&stage.account, body(&[event(&gone)])).await;
    replica.deliver(&stage.account, body(&[event(&cut)])).await;
    let mut admin = stage.admin().await;
    let body_of = |id: &str| uuid::Uuid::from_u128(ulid::Ulid::from_string(id).unwrap().0);
    sqlx::query("DELETE FROM ingest.body WHERE body_id = (SELECT body_id FROM ingest.seen_event WHERE event_id = $1)")
        .bind(body_of(&gone))
        .execute(&mut admin)
        .await
        .unwrap();
    sqlx::query(
        "UPDATE ingest.body SET redacted_at = now()
         WHERE body_id = (SELECT body_id FROM ingest.seen_event WHERE event_id = $1)",
    )
    .bind(body_of(&cut))
    .execute(&mut admin)
    .await
    .unwrap();

    let ours = Operator::of(&stage, &replica, stage.account.tenant).await;
    let mut request = redrive();
    request.validate_only = true;
    let counted = ours.start(request.clone()).await.unwrap();
    assert_eq!(counted.replay, None);
    let plan = counted.plan.unwrap();
    assert_eq!((plan.event_count, plan.missing_count, plan.redacted_count), (5, 1, 1));
    let mut counts: Vec<(String, String, i64)> =
        plan.counts.into_iter().map(|one| (one.account_id, one.event_type, one.event_count)).collect();
    counts.sort();
    let (account, other) = (stage.account.id.to_string(), second.id.to_string());
    let mut expected = vec![
        (account.clone(), "follow".to_owned(), 1),
        (account.clone(), "message".to_owned(), 3),
        (other.clone(), "message".to_owned(), 1),
    ];
    expected.sort();
    assert_eq!(counts, expected);
    let (first, last) =
        (to_timestamp(&plan.first_time.unwrap()).unwrap(), to_timestamp(&plan.last_time.unwrap()).unwrap());
    assert!(first <= last && last <= now());

    for (asked, count) in [(vec![other], 1), (vec![account.clone(), account], 4)] {
        let mut request = request.clone();
        request.account_ids = asked;
        assert_eq!(ours.start(request).await.unwrap().plan.unwrap().event_count, count);
    }
    let mut of_type = request.clone();
    of_type.event_types = vec!["follow".to_owned()];
    assert_eq!(ours.start(of_type).await.unwrap().plan.unwrap().event_count, 1);
    let mut of_past = request.clone();
    of_past.end_time = Some(timestamp(first));
    assert_eq!(ours.start(of_past).await.unwrap().plan.unwrap().event_count, 0, "the end is not part of it");
    let mut from_now = request;
    from_now.start_time = Some(timestamp(last));
    assert!(ours.start(from_now).await.unwrap().plan.unwrap().event_count >= 1, "the start is");

    assert!(ours.list().await.is_empty());
    assert_eq!(stage.count("SELECT count(*) FROM ingest.replay").await, 0);
    assert_eq!(stage.count("SELECT count(*) FROM ingest.audit WHERE action LIKE 'replay.%'").await, 0);
}
