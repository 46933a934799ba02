//! What is removed by and by: timers that were missed long ago, versions of schedules that no event comes with again, reservations that
//! began long ago.

use std::time::Duration;

use chassis::Host;
use chassis::postgres::Database;

use crate::postgres::{message_schedule, missed_timer, reservation};

const EVERY: Duration = Duration::from_mins(5);

/// Starts the removing under `host`.
pub(crate) fn spawn(host: &Host, database: &Database) {
    let (database, stopping) = (database.clone(), host.stopping());
    host.spawn("scheduler.retention", async move {
        stopping.run_until_cancelled(keep_removing(&database)).await;
        Ok(())
    });
}

async fn keep_removing(database: &Database) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = remove(database).await {
            tracing::warn!(error = %error, "old rows stay for now");
        }
    }
}

async fn remove(database: &Database) -> Result<(), sqlx::Error> {
    while missed_timer::prune(database).await? {}
    while message_schedule::prune(database).await? {}
    while reservation::prune(database).await? {}
    Ok(())
}
