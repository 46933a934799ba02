//! The look over all tenants that nobody has to call for: whoever made timers, and whatever became of the hints, they are found in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use kernel::TenantId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Firer;
use crate::postgres::calendar;

/// How often at least, where it costs little.
pub(super) const EVERY: Duration = Duration::from_millis(500);
/// And how often in any case.
const LONGEST: Duration = Duration::from_secs(10);
/// A look costs by tenants that have timers within about an hour: it rests so many times as long as it took.
const REST: u32 = 20;
/// Tenants that one statement tells at most.
const PAGE: i32 = 2_000;

impl Firer {
    /// Looks until the process stops.
    pub(super) async fn keep_looking(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let (mut pause, mut told) = (EVERY, false);
        while !stopping.is_cancelled() {
            let begun = Instant::now();
            match self.look(reach(pause)).await {
                Ok(()) => {
                    let rested = std::mem::replace(&mut pause, pause_after(begun.elapsed()));
                    told = false;
                    if pause > rested * 2 {
                        // It did not look as far ahead as it is going to rest.
                        continue;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(error = %error, "the calendar cannot be looked at now");
                    }
                }
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = self.missed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        Ok(())
    }

    /// Tells the agenda of every tenant with a timer due within `horizon`.
    async fn look(&self, horizon: Duration) -> Result<(), sqlx::Error> {
        self.agenda().reach(horizon);
        let ahead = self.turn.ahead();
        let within = ahead + TimeDelta::from_std(horizon).unwrap_or_default();
        let mut place = (0, Uuid::nil());
        loop {
            let heads = calendar::heads(self.database.worker(), place, within, PAGE).await?;
            let now = Instant::now();
            let mut agenda = self.agenda();
            for head in &heads {
                let tenant: TenantId = head.tenant();
                agenda.hear(head.moment + ahead, now);
                agenda.wake(tenant, head.first, now);
            }
            drop(agenda);
            if !heads.is_empty() {
                self.changed.notify_one();
            }
            match heads.last() {
                Some(last) if heads.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) => place = last.place(),
                _ => return Ok(()),
            }
        }
    }
}

/// How long a look rests that took so long: whole milliseconds, for the database takes no finer interval than microseconds.
fn pause_after(took: Duration) -> Duration {
    let rest = took.saturating_mul(REST).clamp(EVERY, LONGEST);
    Duration::from_millis(rest.as_millis().try_into().unwrap_or(u64::MAX))
}

/// How far ahead to look before a rest of about so long: as far as the look after it ends, were that rest to double.
fn reach(pause: Duration) -> Duration {
    pause * 2 + EVERY
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sqlx::postgres::types::PgInterval;

    proptest! {
        #[test]
        fn whatever_a_look_took_the_next_one_comes_and_the_database_understands_how_far_it_looks(nanos: u64) {
            let pause = pause_after(Duration::from_nanos(nanos));
            prop_assert!((EVERY..=LONGEST).contains(&pause));
            prop_assert!(PgInterval::try_from(TimeDelta::from_std(reach(pause)).unwrap()).is_ok());
        }

        #[test]
        fn a_look_reaches_behind_the_end_of_the_next(before in 500u64..=10_000, nanos in 0u64..500_000_000) {
            let (before, took) = (Duration::from_millis(before), Duration::from_nanos(nanos));
            let pause = pause_after(took);
            prop_assert!(pause > before * 2 || pause + took <= reach(before));
        }
    }
}
