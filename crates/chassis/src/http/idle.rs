//! A connection on which nothing is asked keeps its place for so long and no longer. The protocols do not see to that: an HTTP/2
//! connection without a stream answers pings for ever, and one that said too little belongs to neither protocol.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The requests of one connection.
pub(super) struct Requests(Mutex<State>);

struct State {
    in_hand: usize,
    /// When the last answer was given, or the connection began.
    since: Instant,
}

/// A request until its answer.
pub(super) struct InHand(Arc<Requests>);

impl Requests {
    /// Of a connection that begins now.
    pub(super) fn of_new_connection() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { in_hand: 0, since: Instant::now() })))
    }

    /// A request whose head was read.
    pub(super) fn take(self: &Arc<Self>) -> InHand {
        self.state().in_hand += 1;
        InHand(Arc::clone(self))
    }

    /// Waits until no request was in hand for as long as `limit`.
    pub(super) async fn none_for(&self, limit: Duration) {
        let mut look = Instant::now() + limit;
        loop {
            tokio::time::sleep_until(look).await;
            let now = Instant::now();
            look = self.state().idle_at(limit, now);
            if look <= now {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// When the connection may have been idle for `limit`, at the earliest.
    fn idle_at(&self, limit: Duration, now: Instant) -> Instant {
        if self.in_hand > 0 { now + limit } else { self.since + limit }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_hand -= 1;
        state.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_idle_from_its_last_answer_on_and_never_with_a_request_in_hand() {
        let limit = Duration::from_secs(75);
        let requests = Requests::of_new_connection();
        let since = |requests: &Requests| requests.state().since;
        let began = since(&requests);
        assert_eq!(requests.state().idle_at(limit, began + 2 * limit), began + limit);
        let (first, second) = (requests.take(), requests.take());
        drop(first);
        for now in [began, began + 10 * limit] {
            assert!(requests.state().idle_at(limit, now) > now);
        }
        requests.state().since -= Duration::from_secs(1);
        drop(second);
        let answered = since(&requests);
        assert!(answered >= began, "the last answer counts, not the first");
        assert_eq!(requests.state().idle_at(limit, answered + limit), answered + limit);
        assert!(tokio::time::timeout(Duration::from_millis(50), requests.none_for(limit)).await.is_err());
        requests.none_for(Duration::from_millis(1)).await;
    }
}
