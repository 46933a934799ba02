//! Jobs that wait in a table: tenants in turn, whatever waits of one of them.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::work_queue::{Claimed, Crew, Job, Want, WorkQueue};
use futures::StreamExt as _;
use kernel::TenantId;
use sqlx::{AssertSqlSafe, PgConnection};
use testkit::eventually;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::stage::{SOON, Stage, host, tenant};

const QUEUE: WorkQueue = WorkQueue { table: "messaging.job", subject: "job_id", due: "due_at", attempts: "attempts" };
const LEASE: Duration = Duration::from_mins(1);

/// Puts `count` jobs of a tenant in, due `since` seconds ago.
async fn put(stage: &Stage, number: u128, count: i32, since: i32) {
    let put = "INSERT INTO messaging.job (tenant_id, job_id, due_at)
               SELECT $1, gen_random_uuid(), now() - make_interval(secs => $3) FROM generate_series(1, $2)";
    let put = sqlx::query(put).bind(Uuid::from_u128(number)).bind(count).bind(since);
    put.execute(stage.database.worker()).await.unwrap();
}

async fn claim(stage: &Stage, from: Uuid, room: usize, in_hand: &[(TenantId, usize)]) -> Claimed {
    let want = Want { from, room, share: room, in_hand, lease: LEASE };
    QUEUE.claim(stage.database.worker(), &want).await.unwrap()
}

fn tenants(jobs: &[Job]) -> BTreeSet<TenantId> {
    jobs.iter().map(|job| job.tenant).collect()
}

/// Rows of the queue that this transaction has read so far.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    let read = "SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_user_tables
                WHERE schemaname = 'messaging' AND relname = 'job'";
    sqlx::query_scalar(read).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_job_is_claimed_at_once_behind_another_tenants_thirty_thousand_and_a_claim_reads_few_of_them() {
    let stage = Stage::new("fair_claim").await;
    put(&stage, 1, 30_000, 3_600).await;
    put(&stage, 2, 1, 0).await;
    for (analyzed, plan) in [(false, "auto"), (true, "force_custom_plan"), (true, "force_generic_plan")] {
        if analyzed {
            sqlx::query("ANALYZE messaging.job").execute(&mut stage.admin().await).await.unwrap();
        }
        let mut tx = stage.database.worker().begin().await.unwrap();
        let set = AssertSqlSafe(format!("SET LOCAL plan_cache_mode = {plan}"));
        sqlx::query(set).execute(&mut *tx).await.unwrap();
        let want = Want { from: Uuid::nil(), room: 4, share: 4, in_hand: &[], lease: LEASE };
        let claimed = QUEUE.claim(&mut *tx, &want).await.unwrap();
        assert_eq!(tenants(&claimed.jobs), BTreeSet::from([tenant(1), tenant(2)]), "{plan}");
        assert_eq!(claimed.jobs.len(), 3, "two of the one, and the only one of the other");
        let read = rows_read(&mut tx).await;
        assert!(read <= 30, "{read} rows were read under {plan}, analyzed: {analyzed}");
        tx.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn every_tenant_has_its_turn_and_one_with_its_share_in_hand_is_passed_over() {
    let stage = Stage::new("turns").await;
    for number in 1..=3 {
        put(&stage, number, 10, 60).await;
    }
    let first = claim(&stage, Uuid::nil(), 2, &[]).await;
    assert_eq!((tenants(&first.jobs), first.jobs.len()), (BTreeSet::from([tenant(1), tenant(2)]), 2));
    let second = claim(&stage, first.next, 2, &[]).await;
    assert_eq!(tenants(&second.jobs), BTreeSet::from([tenant(3)]));
    assert_eq!(second.next, Uuid::nil());
    let others = claim(&stage, second.next, 6, &[(tenant(1), 6), (tenant(2), 5)]).await;
    let of = |number| others.jobs.iter().filter(|job| job.tenant == tenant(number)).count();
    assert_eq!((of(1), of(2), of(3)), (0, 1, 3));
    assert!(others.jobs.iter().all(|job| job.attempts == 1 && job.age < SOON));
}

#[tokio::test]
async fn two_claims_at_once_do_not_wait_for_each_other_and_the_longest_due_job_goes_first() {
    let stage = Stage::new("at_once").await;
    for since in [60, 3_600, 600] {
        put(&stage, 1, 1, since).await;
    }
    let by_age = sqlx::query_scalar("SELECT job_id FROM messaging.job ORDER BY due_at");
    let by_age: Vec<Uuid> = by_age.fetch_all(stage.database.worker()).await.unwrap();
    let want = Want { from: Uuid::nil(), room: 1, share: 1, in_hand: &[], lease: LEASE };
    let mut tx = stage.database.worker().begin().await.unwrap();
    let first = QUEUE.claim(&mut *tx, &want).await.unwrap();
    let second =
        tokio::time::timeout(SOON, claim(&stage, Uuid::nil(), 1, &[])).await.expect("rows in hand are passed over");
    tx.commit().await.unwrap();
    assert_eq!([first.jobs[0].subject, second.jobs[0].subject], by_age[..2]);
}

#[tokio::test]
async fn a_tenant_behind_hundreds_that_have_nothing_due_has_its_turn() {
    let stage = Stage::new("behind_hundreds").await;
    let later = "INSERT INTO messaging.job (tenant_id, job_id, due_at)
                 SELECT lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), now() + interval '1 hour' FROM generate_series(1, 600) n";
    sqlx::query(later).execute(stage.database.worker()).await.unwrap();
    put(&stage, 700, 1, 0).await;
    let first = claim(&stage, Uuid::nil(), 4, &[]).await;
    assert!(first.jobs.is_empty() && !first.next.is_nil(), "a claim looks at so many tenants and no more");
    let second = claim(&stage, first.next, 4, &[]).await;
    assert_eq!((tenants(&second.jobs), second.next), (BTreeSet::from([tenant(700)]), Uuid::nil()));
}

#[tokio::test]
async fn a_claimed_job_is_nobody_elses_until_it_is_put_off_or_done() {
    let stage = Stage::new("put_off").await;
    put(&stage, 1, 1, 60).await;
    let job = claim(&stage, Uuid::nil(), 4, &[]).await.jobs[0];
    assert!(claim(&stage, Uuid::nil(), 4, &[]).await.jobs.is_empty());
    QUEUE.postpone(stage.database.worker(), &job, Some(Duration::ZERO)).await.unwrap();
    let again = claim(&stage, Uuid::nil(), 4, &[]).await.jobs[0];
    assert_eq!((again.subject, again.attempts), (job.subject, 2));
    // Whoever held the first claim is too late.
    QUEUE.postpone(stage.database.worker(), &job, Some(Duration::ZERO)).await.unwrap();
    assert!(claim(&stage, Uuid::nil(), 4, &[]).await.jobs.is_empty());
    QUEUE.postpone(stage.database.worker(), &again, None).await.unwrap();
    let parked = "SELECT count(*) FROM messaging.job WHERE due_at = 'infinity'";
    let parked: i64 = sqlx::query_scalar(parked).fetch_one(stage.database.worker()).await.unwrap();
    assert_eq!(parked, 1);
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    for (job, left) in [(job, 1i64), (again, 0)] {
        QUEUE.finish(&mut *tx, &job).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM messaging.job").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(count, left);
    }
}

#[tokio::test]
async fn a_job_that_was_put_in_again_is_not_taken_for_the_one_before() {
    let stage = Stage::new("put_again").await;
    put(&stage, 1, 1, 60).await;
    let job = claim(&stage, Uuid::nil(), 4, &[]).await.jobs[0];
    let again = "UPDATE messaging.job SET due_at = now(), attempts = 0, claim = NULL";
    sqlx::query(again).execute(stage.database.worker()).await.unwrap();
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    QUEUE.finish(&mut *tx, &job).await.unwrap();
    QUEUE.postpone(&mut *tx, &job, None).await.unwrap();
    tx.commit().await.unwrap();
    // Both are the first attempt of a job about the same thing.
    let new = claim(&stage, Uuid::nil(), 4, &[]).await.jobs[0];
    assert_eq!((new.subject, new.attempts), (job.subject, job.attempts));
    let mut tx = stage.database.tenant(tenant(1)).await.unwrap();
    for (job, left) in [(job, 1i64), (new, 0)] {
        QUEUE.finish(&mut *tx, &job).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM messaging.job").fetch_one(&mut *tx).await.unwrap();
        assert_eq!(count, left);
    }
}

#[tokio::test]
async fn a_crew_whose_hands_are_full_of_one_tenants_jobs_still_has_one_free_for_another() {
    let stage = Stage::new("crew").await;
    put(&stage, 1, 100, 60).await;
    let host = host();
    let crew = Crew {
        queue: QUEUE,
        at_once: NonZeroUsize::new(4).unwrap(),
        lease: LEASE,
        look_every: Duration::from_millis(50),
    };
    let begun = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&begun);
    let never = Arc::new(Notify::new());
    crew.spawn(&host, "test.crew", &stage.database, futures::stream::pending().boxed(), move |job| {
        seen.lock().unwrap().push(job.tenant);
        let never = Arc::clone(&never);
        async move { never.notified().await }
    });
    let until = async |wanted: &[TenantId]| {
        eventually(SOON, || {
            let seen = begun.lock().unwrap().clone();
            std::future::ready(if seen == wanted { Ok(()) } else { Err(seen) })
        })
        .await
        .unwrap();
    };
    until(&[tenant(1); 3]).await;
    put(&stage, 2, 1, 0).await;
    until(&[tenant(1), tenant(1), tenant(1), tenant(2)]).await;
    host.stop();
    host.wait().await.unwrap();
}

#[tokio::test]
async fn a_job_that_ended_well_or_not_frees_a_hand_and_a_wake_has_new_ones_begun_at_once() {
    let stage = Stage::new("hands").await;
    put(&stage, 1, 10, 60).await;
    let host = host();
    let look_every = Duration::from_hours(1);
    let crew = Crew { queue: QUEUE, at_once: NonZeroUsize::new(4).unwrap(), lease: LEASE, look_every };
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&begun);
    let (wake, wakes) = tokio::sync::mpsc::unbounded_channel();
    let wakes = tokio_stream::wrappers::UnboundedReceiverStream::new(wakes).boxed();
    crew.spawn(&host, "test.hands", &stage.database, wakes, move |_| {
        let number = seen.fetch_add(1, Ordering::Relaxed);
        async move { assert!(number.is_multiple_of(2), "every other job breaks off") }
    });
    let until = async |wanted: usize| {
        eventually(SOON, || {
            let seen = begun.load(Ordering::Relaxed);
            std::future::ready(if seen == wanted { Ok(()) } else { Err(seen) })
        })
        .await
        .unwrap();
    };
    until(10).await;
    put(&stage, 2, 1, 0).await;
    wake.send(()).unwrap();
    until(11).await;
    host.stop();
    host.wait().await.unwrap();
}
