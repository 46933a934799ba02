//! Forwarding to another system (L-19): whose events a body holds, which body may go next, what each target may have under way, what
//! follows from a call, and how a target that keeps failing is spared. What waits, and for how long, is told by whoever holds the table.

pub mod attempt;
pub mod choice;
pub mod health;
pub mod retry_after;
pub mod sender;
pub mod share;
pub mod spilled;

use std::time::Duration;

use chrono::TimeDelta;

/// How long a body waits for a target before it is given up, and how long a target may take nothing before it is paused.
pub const PATIENCE: TimeDelta = TimeDelta::days(3);
/// Calls to one target under way at once.
pub const AT_ONCE: usize = 8;
/// Most targets of an account.
pub const MOST_TARGETS: usize = 3;

/// A wait that doubles from `first` with every step behind the first (1) up to `longest`, then between half and all of it by `jitter`
/// (0 to 1, by chance), so that many who wait do not come back together.
fn doubling(first: Duration, longest: Duration, step: u32, jitter: f64) -> Duration {
    let full = first.saturating_mul(1 << step.saturating_sub(1).min(16)).min(longest);
    full.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}
