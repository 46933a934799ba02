//! Saying a thing at most once a second, and how often it was kept back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

/// Lets one through a second.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<(Option<Instant>, u64)>);

impl Quiet {
    /// Whether it may be said now; and how many times it was not since the last time it was.
    pub(crate) fn may_speak(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| last.elapsed() < PAUSE) {
            state.1 += 1;
            return None;
        }
        state.0 = Some(Instant::now());
        Some(std::mem::take(&mut state.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_next_is_counted() {
        let quiet = Quiet::default();
        assert_eq!(quiet.may_speak(), Some(0));
        assert_eq!(quiet.may_speak(), None);
        assert_eq!(quiet.may_speak(), None);
        quiet.0.lock().unwrap().0 = None;
        assert_eq!(quiet.may_speak(), Some(2));
    }
}
