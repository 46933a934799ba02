//! Faults to order: what goes wrong, where, how often.

use serde::{Deserialize, Serialize};

use super::endpoint;
use super::id::ChannelId;
use super::mint::Mint;

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Works, but later.
    Latency {
        /// Added before the request is looked at.
        ms: u64,
    },
    /// `429`, request rate exceeded. Not accepted.
    RateLimited,
    /// `429`, monthly limit reached. Not accepted.
    MonthlyLimit,
    /// `429`, too many messages to the same user. Not accepted.
    UserFlood,
    /// `500`. Not accepted.
    ServerError,
    /// Any answer you like. Not accepted.
    Refuse {
        /// HTTP status.
        status: u16,
        /// The `message` of the body.
        message: String,
    },
    /// The connection is cut; the request was not accepted.
    CutBefore,
    /// No answer for a while, then the connection is cut; not accepted.
    Hang {
        /// How long nothing happens.
        ms: u64,
    },
    /// Accepted and carried out, then the connection is cut: the answer is lost.
    AcceptedAnswerLost,
    /// Accepted and carried out, then no answer for a while, then the connection is cut.
    AcceptedThenHang {
        /// How long nothing happens.
        ms: u64,
    },
    /// Accepted and carried out, yet answered `500`.
    AcceptedThenServerError,
}

/// A fault to inject.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests of this account; of every account when absent.
    #[serde(default)]
    pub account: Option<ChannelId>,
    /// Only this endpoint, e.g. `POST /v2/bot/message/push`; every endpoint when absent.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// What goes wrong.
    pub effect: Effect,
    /// Let so many matching requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// Strike so many times, then vanish; for ever when absent.
    #[serde(default)]
    pub times: Option<u32>,
    /// 0..1, the chance that a matching request is struck.
    #[serde(default = "certain")]
    pub probability: f64,
}

fn certain() -> f64 {
    1.0
}

impl Fault {
    /// What is wrong with it, by field.
    ///
    /// # Errors
    /// The field, and what it must be.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.endpoint.as_deref().is_some_and(|name| !endpoint::exists(name)) {
            return Err(endpoint::UNKNOWN);
        }
        if !(0.0..=1.0).contains(&self.probability) {
            return Err("probability: 0 to 1");
        }
        Ok(())
    }

    /// A fault on every request of every account.
    pub fn always(effect: Effect) -> Self {
        Self { account: None, endpoint: None, effect, skip: 0, times: None, probability: 1.0 }
    }

    /// A fault that strikes the next `times` requests and vanishes.
    pub fn times(effect: Effect, times: u32) -> Self {
        Self { times: Some(times), ..Self::always(effect) }
    }

    /// The same, at one endpoint only: method, blank, path as LINE documents it.
    #[must_use]
    pub fn at(self, endpoint: &str) -> Self {
        Self { endpoint: Some(endpoint.to_owned()), ..self }
    }

    /// The same, for one account only.
    #[must_use]
    pub fn of(self, account: &ChannelId) -> Self {
        Self { account: Some(account.clone()), ..self }
    }
}

/// What lies in wait for one request: delays add up, the first other effect counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) delay_ms: u64,
    pub(crate) effect: Option<Effect>,
}

/// The faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    in_force: Vec<(String, Fault)>,
}

impl Faults {
    pub(crate) fn add(&mut self, id: String, fault: Fault) {
        self.in_force.push((id, fault));
    }

    /// Ends one fault; false when it is not in force.
    pub(crate) fn end(&mut self, id: &str) -> bool {
        let before = self.in_force.len();
        self.in_force.retain(|(known, _)| known != id);
        self.in_force.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.in_force.clear();
    }

    /// Draws what happens to a request, using up counts.
    pub(crate) fn plan(&mut self, mint: &mut Mint, account: Option<&ChannelId>, asked: &str) -> Plan {
        let mut plan = Plan::default();
        for (_, fault) in &mut self.in_force {
            let covered = fault.account.as_ref().is_none_or(|a| Some(a) == account)
                && fault.endpoint.as_deref().is_none_or(|known| endpoint::is_same(known, asked));
            let is_delay = matches!(fault.effect, Effect::Latency { .. });
            if !covered || (!is_delay && plan.effect.is_some()) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if !mint.chance(fault.probability) {
                continue;
            }
            if let Some(left) = &mut fault.times {
                *left = left.saturating_sub(1);
            }
            match &fault.effect {
                Effect::Latency { ms } => plan.delay_ms += ms,
                effect => plan.effect = Some(effect.clone()),
            }
        }
        self.in_force.retain(|(_, fault)| fault.times != Some(0));
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_strikes_and_vanishes() {
        let mut mint = Mint::seeded(1);
        let mut faults = Faults::default();
        let push = "POST /v2/bot/message/push";
        let mut fault = Fault::times(Effect::ServerError, 1).at(push);
        fault.skip = 1;
        faults.add("f".into(), fault);
        faults.add("slow".into(), Fault::always(Effect::Latency { ms: 5 }));
        let account = ChannelId::from("1");
        let mut plan = |endpoint| faults.plan(&mut mint, Some(&account), endpoint);
        assert_eq!(plan("GET /v2/bot/info"), Plan { delay_ms: 5, effect: None });
        assert_eq!(plan(push).effect, None);
        assert_eq!(plan(push).effect, Some(Effect::ServerError));
        assert_eq!(plan(push).effect, None);
    }
}
