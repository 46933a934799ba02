//! The rate limiters of the lanes this replica holds.

use std::time::Duration;

use line_types::rate::Endpoint;
use messaging_outbox_core::limiter::Limiter;
use messaging_outbox_core::route::SendMethod;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::postgres::account::AccountKey;

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
pub(super) struct LimiterBook(Cache<AccountKey, Limiters>);

/// Lanes remembered at most; those longest unused are forgotten first.
const KEPT: usize = 20_000;

impl Default for LimiterBook {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

impl LimiterBook {
    pub(super) fn open(&self, key: AccountKey) -> Limiters {
        self.0.remove(&key).map_or_else(Limiters::new, |(_, learnt)| learnt)
    }

    pub(super) fn close(&self, key: AccountKey, limiters: Limiters) {
        self.0.insert(key, limiters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{AccountId, TenantId};
    use uuid::Uuid;

    #[test]
    fn one_lane_more_than_are_remembered_makes_few_of_the_others_forgotten() {
        let key = |number: usize| AccountKey {
            tenant: TenantId::from(Uuid::nil()),
            account: AccountId::from(Uuid::from_u128(number as u128)),
        };
        let book = LimiterBook::default();
        (0..=KEPT).for_each(|number| book.close(key(number), Limiters::new()));
        let remembered = (0..=KEPT).filter(|number| book.0.get(&key(*number)).is_some()).count();
        assert!(remembered <= KEPT && remembered > KEPT * 9 / 10, "{remembered}");
    }
}
