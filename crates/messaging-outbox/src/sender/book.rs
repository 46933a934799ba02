//! The rate limiters of the lanes this replica holds.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use line_types::rate::Endpoint;
use messaging_outbox_core::limiter::Limiter;
use messaging_outbox_core::route::SendMethod;
use tokio::time::Instant;

use crate::postgres::lane::LaneKey;

/// The two limiters of a lane, and since when their time counts.
#[derive(Clone)]
pub(super) struct Limiters {
    epoch: Instant,
    reply: Limiter,
    push: Limiter,
}

impl Limiters {
    /// Limiters with empty buckets.
    pub(super) fn new() -> Self {
        let limiter = |endpoint: Endpoint| Limiter::new(endpoint.limit().requests_per_second(), Duration::ZERO);
        Self { epoch: Instant::now(), reply: limiter(Endpoint::Reply), push: limiter(Endpoint::Push) }
    }

    /// The right to one call now, or how long until there is one.
    pub(super) fn take(&mut self, method: SendMethod) -> Result<(), Duration> {
        let now = self.epoch.elapsed();
        self.of(method).take(now)
    }

    /// LINE took a call.
    pub(super) fn accepted(&mut self, method: SendMethod) {
        self.of(method).accepted();
    }

    /// LINE refused a call for its rate.
    pub(super) fn refused(&mut self, method: SendMethod) {
        let now = self.epoch.elapsed();
        self.of(method).refused(now);
    }

    fn of(&mut self, method: SendMethod) -> &mut Limiter {
        match method {
            SendMethod::Reply => &mut self.reply,
            SendMethod::Push => &mut self.push,
        }
    }
}

/// What limiters had learnt when their lane was given back, for when this replica holds it again.
#[derive(Default)]
pub(super) struct LimiterBook(Mutex<HashMap<LaneKey, Limiters>>);

/// Lanes remembered at most.
const KEPT: usize = 20_000;

impl LimiterBook {
    pub(super) fn open(&self, key: LaneKey) -> Limiters {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        book.remove(&key).unwrap_or_else(Limiters::new)
    }

    pub(super) fn close(&self, key: LaneKey, limiters: Limiters) {
        let mut book = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if book.len() >= KEPT {
            book.clear();
        }
        book.insert(key, limiters);
    }
}
