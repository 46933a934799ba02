//! Timers whose moment comes near are entered into the calendar.

use std::time::Duration;

use chassis::postgres::Database;
use chassis::{ClockTurn, Host};
use tokio::time::Instant;

use crate::postgres::calendar;
use crate::wake;

/// How often they are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// Timers entered in one statement, at most.
const BATCH: i32 = 2_000;

/// Starts it under `host`.
pub(super) fn spawn(host: &Host, database: &Database) {
    let (database, turn, stopping) = (database.clone(), host.clock_turn(), host.stopping());
    host.spawn("scheduler.entering", async move {
        stopping.run_until_cancelled(keep_entering(&database, &turn)).await;
        Ok(())
    });
}

async fn keep_entering(database: &Database, turn: &ClockTurn) {
    let mut told = false;
    loop {
        let begun = Instant::now();
        let rest = match calendar::enter(database.worker(), turn.ahead(), BATCH).await {
            Ok(entered) => {
                told = false;
                let mut count = 0;
                for (tenant, first, entered) in entered {
                    wake::due_at(tenant.into(), first);
                    count += entered;
                }
                // Whoever enters a million of one moment leaves half of the time to others.
                if count < BATCH.into() { EVERY } else { begun.elapsed() }
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = %error, "timers cannot be entered into the calendar now");
                }
                EVERY
            }
        };
        tokio::time::sleep(rest).await;
    }
}
