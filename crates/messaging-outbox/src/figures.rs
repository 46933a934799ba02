//! Figures of what waits, so that nothing waits for ever unseen: the queue's oldest message, what is in hand for too long, what is
//! in doubt, contents that do not come.

use std::time::Duration;

use chassis::Host;
use chassis::postgres::Database;
use sqlx::Row as _;
use tokio::time::Instant;

/// How long counting rests at least.
const EVERY: Duration = Duration::from_secs(15);
/// Counting reads the whole queue, for an index on what changes with every message would cost each of them more than all the
/// counting does. So it rests the longer the longer it took: it never takes more than this share of the time.
const REST: u32 = 100;
/// A message in hand for longer than this is stuck: a call takes seconds, and a dead holder's lease a few more.
const STUCK_AFTER: f64 = 120.0;

/// Starts the counting under `host`.
pub(crate) fn spawn(host: &Host, database: &Database) {
    let (database, stopping) = (database.clone(), host.stopping());
    host.spawn("messaging.figures", async move {
        stopping.run_until_cancelled(keep_counting(&database)).await;
        Ok(())
    });
}

async fn keep_counting(database: &Database) {
    loop {
        let began = Instant::now();
        if let Err(error) = count(database).await {
            tracing::warn!(error = %error, "the queue cannot be counted now");
        }
        tokio::time::sleep(rest(began.elapsed())).await;
    }
}

/// How long to rest after a counting that took so long.
fn rest(took: Duration) -> Duration {
    EVERY.max(took.saturating_mul(REST))
}

async fn count(database: &Database) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE state = 0)::float8 AS waiting,
             count(*) FILTER (WHERE state = 1)::float8 AS in_hand,
             count(*) FILTER (WHERE in_doubt)::float8 AS in_doubt,
             count(*) FILTER (WHERE deferred AND due > now())::float8 AS deferred,
             count(*) FILTER (WHERE state = 1 AND first_time < now() - make_interval(secs => $1)
                 AND NOT in_doubt)::float8 AS stuck,
             coalesce(extract(epoch FROM now() - min(first_time)), 0)::float8 AS oldest
         FROM messaging.send",
    )
    .bind(STUCK_AFTER)
    .fetch_one(database.worker())
    .await?;
    for name in ["waiting", "in_hand", "in_doubt", "deferred", "stuck"] {
        metrics::gauge!("tsunagi_messaging_queue", "state" => name).set(row.try_get::<f64, _>(name)?);
    }
    metrics::gauge!("tsunagi_messaging_oldest_attempt_seconds").set(row.try_get::<f64, _>("oldest")?);
    let stuck: f64 = row.try_get("stuck")?;
    if stuck > 0.0 {
        tracing::error!(stuck, "messages are in hand for too long");
    }
    let row = sqlx::query(
        "SELECT count(*)::float8 AS jobs, coalesce(extract(epoch FROM now() - min(create_time)), 0)::float8 AS oldest
         FROM messaging.content_job",
    )
    .fetch_one(database.worker())
    .await?;
    metrics::gauge!("tsunagi_messaging_content_jobs").set(row.try_get::<f64, _>("jobs")?);
    metrics::gauge!("tsunagi_messaging_oldest_content_job_seconds").set(row.try_get::<f64, _>("oldest")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_a_deep_queue_never_takes_more_than_a_hundredth_of_the_time() {
        assert_eq!(rest(Duration::from_millis(3)), EVERY);
        for took in [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(30)] {
            assert!(took.as_secs_f64() / rest(took).as_secs_f64() <= 0.01);
        }
    }
}
