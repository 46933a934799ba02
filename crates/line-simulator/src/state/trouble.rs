//! Trouble on the way of webhooks, per account: duplicates, disorder, bursts, delay, and the redelivery schedule.

use serde::{Deserialize, Serialize};

/// How an account's webhooks travel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
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
