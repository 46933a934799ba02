//! Figures of what waits, so that nothing waits for ever unseen: timers of about the next hour, and those whose moment has passed;
//! digests that are due, and reservations to be planned anew.

use std::time::Duration;

use chassis::postgres::Database;
use chassis::{ClockTurn, Host};
use tokio::time::Instant;

use crate::postgres::{calendar, digest, replanning};

/// How long counting rests at least.
const EVERY: Duration = Duration::from_secs(15);
/// Counting reads the whole calendar, so it rests the longer the longer it took: it never takes more than this share of the time.
const REST: u32 = 100;

/// Starts the counting under `host`.
pub(crate) fn spawn(host: &Host, database: &Database) {
    let (database, turn, stopping) = (database.clone(), host.clock_turn(), host.stopping());
    host.spawn("scheduler.figures", async move {
        stopping.run_until_cancelled(keep_counting(&database, &turn)).await;
        Ok(())
    });
}

async fn keep_counting(database: &Database, turn: &ClockTurn) {
    loop {
        let begun = Instant::now();
        match calendar::figures(database.worker(), turn.ahead()).await {
            Ok(figures) => {
                metrics::gauge!("tsunagi_scheduler_timers", "state" => "near").set(figures.near);
                metrics::gauge!("tsunagi_scheduler_timers", "state" => "overdue").set(figures.overdue);
                metrics::gauge!("tsunagi_scheduler_oldest_timer_seconds").set(figures.oldest);
            }
            Err(error) => tracing::warn!(error = %error, "the calendar cannot be counted now"),
        }
        match digest::overdue(database, turn).await {
            Ok(seconds) => metrics::gauge!("tsunagi_scheduler_digest_overdue_seconds").set(seconds),
            Err(error) => tracing::warn!(error = %error, "due digests cannot be counted now"),
        }
        match replanning::overdue(database).await {
            Ok(seconds) => metrics::gauge!("tsunagi_scheduler_replanning_overdue_seconds").set(seconds),
            Err(error) => tracing::warn!(error = %error, "plans that wait cannot be counted now"),
        }
        tokio::time::sleep(EVERY.max(begun.elapsed().saturating_mul(REST))).await;
    }
}
