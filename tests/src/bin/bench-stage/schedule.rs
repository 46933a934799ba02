//! What timers are measured with: who makes them, and who hears of them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::TimeDelta;
use kernel::Timestamp;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tests::{Hearing, Platform};
use tsunagi::stage::Stage;

use crate::timers::{Timers, WARM_UP};

/// How often it is looked whether all is heard.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long timers that were due one after the other may take to be heard.
const HEARD_WITHIN: Duration = Duration::from_mins(1);

/// The tenants' timers and their consumer.
pub(crate) struct Schedule {
    timers: Timers,
    hearing: Hearing,
    /// The moment of those that were made last.
    due: Mutex<Timestamp>,
}

impl Schedule {
    /// Begins to listen, for so many tenants.
    pub(crate) async fn start(platform: &Platform, tenants: usize) -> anyhow::Result<Self> {
        ensure!(tenants > 0, "no tenant has timers");
        let hearing = Hearing::start(platform).await?;
        Ok(Self { timers: Timers::new(tenants), hearing, due: Mutex::new(Timestamp::UNIX_EPOCH) })
    }

    /// Makes timers that are all due at one instant, so long from now.
    pub(crate) async fn instant(&self, stage: &Stage, count: u64, ahead: Duration) -> anyhow::Result<Value> {
        drop(self.hearing.take());
        let (due, told) = self.timers.make(stage, count, TimeDelta::from_std(ahead)?).await?;
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        Ok(told)
    }

    /// Waits until so many of them were heard, or for so long.
    pub(crate) async fn heard(&self, count: usize, within: Duration) -> anyhow::Result<Value> {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        self.told(count, within, due).await
    }

    /// Has more timers wait that nobody hears of: number `from` to before number `to`.
    pub(crate) async fn others(&self, admin: &PgPool, from: u64, to: u64) -> anyhow::Result<Value> {
        self.timers.others(admin, from, to).await
    }

    /// Makes timers that are due one after the other, and waits until all of them were heard. Those of the warm-up are not told of.
    pub(crate) async fn pace(&self, stage: &Stage, per_second: u32, seconds: u32) -> anyhow::Result<Value> {
        drop(self.hearing.take());
        let (since, count) = self.timers.pace(stage, per_second, seconds).await?;
        let all = (per_second * (WARM_UP + seconds)) as usize;
        let mut told = self.told(all, HEARD_WITHIN, since).await?;
        told["count"] = json!(count);
        told["since"] = json!(since);
        Ok(told)
    }

    /// Waits until `count` timers were heard, or for so long. Of those due at `since` or later it tells how many there are, how late, in
    /// milliseconds, and how many seconds after `since` the last was committed.
    async fn told(&self, count: usize, within: Duration, since: Timestamp) -> anyhow::Result<Value> {
        let begun = Instant::now();
        let mut look = tokio::time::interval(LOOK_EVERY);
        while self.hearing.count()? < count && begun.elapsed() < within {
            look.tick().await;
        }
        let heard = self.hearing.take();
        let mut late: Vec<i64> = heard.late.iter().filter(|(due, _)| *due >= since).map(|(_, late)| *late).collect();
        late.sort_unstable();
        let at = |thousandths: usize| {
            let place = (late.len() * thousandths / 1_000).min(late.len().saturating_sub(1));
            late.get(place).map(|micros| in_units(1_000.0, *micros))
        };
        let seconds = heard.last.and_then(|last| (last - since).num_microseconds()).map(|micros| in_units(1e6, micros));
        Ok(json!({
            "heard": late.len(), "events": heard.events, "missed": heard.missed, "seconds": seconds,
            "p50_ms": at(500), "p90_ms": at(900), "p99_ms": at(990), "p999_ms": at(999), "max_ms": at(1_000),
        }))
    }
}

/// Microseconds in units of `unit` microseconds.
#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn in_units(unit: f64, micros: i64) -> f64 {
    micros as f64 / unit
}
