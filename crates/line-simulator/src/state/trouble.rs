//! Trouble on the way of webhooks, per account: duplicates, disorder, bursts, delay, and the redelivery schedule.

use serde::{Deserialize, Serialize};

/// How an account's webhooks travel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trouble {
    /// 0..1, the chance that a delivery is sent twice with the same bytes, as networks do.
    pub duplicate: f64,
    /// Gather so many events and send them in random order; 0 keeps the order.
    pub reorder_window: usize,
    /// Gather everything until this is false again, then let it loose: a burst.
    pub hold: bool,
    /// Added before every delivery, in milliseconds of the machine's time.
    pub delay_ms: u64,
    /// Events per request at most.
    pub batch: usize,
    /// Requests under way at once at most; 1 keeps the order of events.
    pub parallel: usize,
    /// When redelivery is on: waits before each further try, in milliseconds of simulated time. LINE does not say
    /// how often and when it tries again.
    pub redeliver_after_ms: Vec<u64>,
}

/// The longest waits, in milliseconds: ten minutes before a delivery, 30 days before a further try.
const LONGEST_DELAY: u64 = 600_000;
const LONGEST_WAIT: u64 = 30 * 86_400_000;
/// Most events, requests or tries.
const MOST: usize = 10_000;

impl Trouble {
    /// What is out of its range, by field.
    ///
    /// # Errors
    /// The field, and its range.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let waits = &self.redeliver_after_ms;
        for (is_sound, range) in [
            ((0.0..=1.0).contains(&self.duplicate), "duplicate: 0 to 1"),
            (self.reorder_window <= MOST, "reorder_window: at most 10000"),
            (self.delay_ms <= LONGEST_DELAY, "delay_ms: at most 600000"),
            ((1..=MOST).contains(&self.batch), "batch: 1 to 10000"),
            ((1..=MOST).contains(&self.parallel), "parallel: 1 to 10000"),
            (
                waits.len() <= MOST && waits.iter().all(|wait| *wait <= LONGEST_WAIT),
                "redeliver_after_ms: at most 10000 waits of 2592000000 each",
            ),
        ] {
            if !is_sound {
                return Err(range);
            }
        }
        Ok(())
    }
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            duplicate: 0.0,
            reorder_window: 0,
            hold: false,
            delay_ms: 0,
            batch: 1,
            parallel: 1,
            redeliver_after_ms: vec![1_000, 10_000, 60_000, 300_000, 900_000],
        }
    }
}
