//! Token buckets, one per channel and endpoint. LINE publishes the rates and hides the capacities.
//!
//! <https://developers.line.biz/en/reference/messaging-api/#rate-limits>

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::endpoint;
use super::id::ChannelId;
use super::mint::Mint;

/// A limit laid over the published ones: each bucket it covers draws its own figures from the ranges, so a client
/// cannot learn one account's limit from another's. The latest matching limit counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limit {
    /// Only this account; every account when absent.
    #[serde(default)]
    pub account: Option<ChannelId>,
    /// Only this endpoint, e.g. `POST /v2/bot/message/push`; every endpoint when absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Lowest and highest bucket capacity, in requests.
    pub capacity: (f64, f64),
    /// Lowest and highest refill, in requests per second.
    pub per_second: (f64, f64),
    /// 0..1: every refill is stretched or shrunk by up to this share at random.
    #[serde(default)]
    pub jitter: f64,
}

impl Limit {
    /// What is wrong with it, by field.
    ///
    /// # Errors
    /// The field, and what it must be.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.endpoint.as_deref().is_some_and(|name| !endpoint::exists(name)) {
            return Err(endpoint::UNKNOWN);
        }
        let is_range = |(low, high): (f64, f64)| 0.0 <= low && low <= high && high.is_finite();
        if !is_range(self.capacity) || self.capacity.0 < 1.0 {
            return Err("capacity: lowest and highest, 1 or more");
        }
        if !is_range(self.per_second) {
            return Err("per_second: lowest and highest, 0 or more");
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err("jitter: 0 to 1");
        }
        Ok(())
    }

    fn covers(&self, account: &ChannelId, asked: &str) -> bool {
        self.account.as_ref().is_none_or(|a| a == account)
            && self.endpoint.as_deref().is_none_or(|known| endpoint::is_same(known, asked))
    }
}

/// Requests per window in seconds, as LINE's table has them.
fn published(endpoint: &str) -> (f64, f64) {
    const SECOND: f64 = 1.0;
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 3_600.0;
    match endpoint {
        "POST /v2/bot/message/broadcast" | "POST /v2/bot/channel/webhook/test" | "GET /v2/bot/insight/followers" => {
            (60.0, HOUR)
        }
        "GET /v2/bot/channel/webhook/endpoint" | "PUT /v2/bot/channel/webhook/endpoint" => (1_000.0, MINUTE),
        "POST /v2/bot/richmenu"
        | "DELETE /v2/bot/richmenu/{richMenuId}"
        | "DELETE /v2/bot/richmenu/alias/{richMenuAliasId}"
        | "GET /v2/bot/richmenu/progress/batch" => (100.0, HOUR),
        "POST /v2/bot/richmenu/batch" => (3.0, HOUR),
        "GET /v2/bot/richmenu/list" => (10.0, SECOND),
        "POST /v2/bot/message/multicast" => (200.0, SECOND),
        "POST /v2/bot/chat/loading/start" => (100.0, SECOND),
        "POST /v2/oauth/accessToken" => (370.0, SECOND),
        _ => (2_000.0, SECOND),
    }
}

#[derive(Debug)]
struct Bucket {
    level: f64,
    capacity: f64,
    per_second: f64,
    jitter: f64,
    filled_at: DateTime<Utc>,
}

impl Bucket {
    fn take(&mut self, now: DateTime<Utc>, mint: &mut Mint) -> bool {
        let seconds = (now - self.filled_at).to_std().unwrap_or_default().as_secs_f64();
        if seconds > 0.0 {
            let stretch = 1.0 + mint.between(-self.jitter, self.jitter);
            self.level = (self.level + seconds * self.per_second * stretch).min(self.capacity);
            self.filled_at = now;
        }
        let granted = self.level >= 1.0;
        if granted {
            self.level -= 1.0;
        }
        granted
    }
}

/// All buckets and the limits laid over them.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: HashMap<ChannelId, HashMap<String, Bucket>>,
    limits: Vec<Limit>,
}

impl Rates {
    /// Lays a limit over the published ones; buckets it covers start anew, full.
    pub(crate) fn lay(&mut self, limit: Limit) {
        for (account, buckets) in &mut self.buckets {
            buckets.retain(|endpoint, _| !limit.covers(account, endpoint));
        }
        self.limits.push(limit);
    }

    /// Takes one request from the bucket; false when it is empty.
    pub(crate) fn take(&mut self, now: DateTime<Utc>, mint: &mut Mint, channel: &ChannelId, endpoint: &str) -> bool {
        if let Some(bucket) = self.buckets.get_mut(channel).and_then(|of| of.get_mut(endpoint)) {
            return bucket.take(now, mint);
        }
        let mut bucket = self.fresh(now, mint, channel, endpoint);
        let granted = bucket.take(now, mint);
        self.buckets.entry(channel.clone()).or_default().insert(endpoint.to_owned(), bucket);
        granted
    }

    fn fresh(&self, now: DateTime<Utc>, mint: &mut Mint, channel: &ChannelId, endpoint: &str) -> Bucket {
        let laid = self.limits.iter().rev().find(|limit| limit.covers(channel, endpoint));
        let (capacity, per_second, jitter) = if let Some(limit) = laid {
            let capacity = mint.between(limit.capacity.0, limit.capacity.1);
            (capacity, mint.between(limit.per_second.0, limit.per_second.1), limit.jitter)
        } else {
            let (count, window) = published(endpoint);
            (count, count / window, 0.0)
        };
        Bucket { level: capacity, capacity, per_second, jitter: jitter.clamp(0.0, 1.0), filled_at: now }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const PUSH: &str = "POST /v2/bot/message/push";

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    proptest! {
        /// However the requests fall, no window grants more than a full bucket and what flowed in meanwhile.
        #[test]
        fn never_more_than_capacity_and_refill(
            gaps in proptest::collection::vec(0_i64..400, 1..200),
            capacity in 1_u32..20,
            rate in 1_u32..50,
        ) {
            let account = ChannelId::from("2000000001");
            let mut mint = Mint::seeded(1);
            let mut rates = Rates::default();
            let (capacity, rate) = (f64::from(capacity), f64::from(rate));
            rates.lay(Limit {
                account: None, endpoint: None, capacity: (capacity, capacity), per_second: (rate, rate), jitter: 0.0,
            });
            let mut now = start();
            let mut granted = 0.0;
            for gap in gaps {
                now += TimeDelta::milliseconds(gap);
                if rates.take(now, &mut mint, &account, PUSH) {
                    granted += 1.0;
                }
            }
            let flowed = f64::from(u32::try_from((now - start()).num_milliseconds()).unwrap()) / 1_000.0 * rate;
            prop_assert!(granted <= capacity + flowed + 1e-6);
        }
    }

    #[test]
    fn a_bucket_asked_more_often_than_every_millisecond_still_fills_at_its_rate() {
        let account = ChannelId::from("1");
        let mut mint = Mint::seeded(1);
        let mut rates = Rates::default();
        let limit = (1_000.0, 1_000.0);
        rates.lay(Limit { account: None, endpoint: None, capacity: (9.0, 9.0), per_second: limit, jitter: 0.0 });
        let asked = (0..10_000).map(|third| start() + TimeDelta::microseconds(third * 333));
        let granted = asked.filter(|now| rates.take(*now, &mut mint, &account, PUSH)).count();
        assert!((3_330..=3_340).contains(&granted), "{granted} in 3.33 seconds");
    }

    #[test]
    fn channels_and_methods_have_buckets_of_their_own() {
        let mut mint = Mint::seeded(1);
        let mut rates = Rates::default();
        let one = Limit { account: None, endpoint: None, capacity: (1.0, 1.0), per_second: (0.0, 0.0), jitter: 0.0 };
        rates.lay(one);
        let (a, b) = (ChannelId::from("1"), ChannelId::from("2"));
        assert!(rates.take(start(), &mut mint, &a, PUSH));
        assert!(!rates.take(start(), &mut mint, &a, PUSH));
        assert!(rates.take(start(), &mut mint, &b, PUSH));
        assert!(rates.take(start(), &mut mint, &a, "GET /v2/bot/info"));
    }
}
