//! Whose timers this replica looks at when: a tenant's as the next one becomes due, at once where more is due than was taken, whoever
//! waits longest first. Moments are the monotonic clock's; what the database's clock says is set off against it anew by every look.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use kernel::{TenantId, Timestamp};

/// From one transaction to the next at least, where nothing is known to be due: what becomes due in between is taken together.
const PACE: Duration = Duration::from_millis(20);
/// How long a tenant is left to whoever has it, or its timers, in hand.
const LEFT_FOR: Duration = Duration::from_millis(25);

/// The tenants whose timers are due soon.
#[derive(Debug)]
pub(super) struct Agenda {
    /// In the order they are served.
    queue: BTreeSet<(Instant, TenantId)>,
    tenants: HashMap<TenantId, Known>,
    /// Where nothing is known to be due, nobody begins sooner.
    rest_until: Instant,
    /// What the database's clock said, and when.
    clock: Option<(Timestamp, Instant)>,
    /// What is due further away is found by looking over all tenants.
    horizon: Duration,
}

/// A tenant of whom something is known.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// When it is served, if it is not in hand; when it is served again, if somebody called for it meanwhile.
    at: Option<Instant>,
    in_hand: bool,
}

/// How a tenant was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// More is due.
    More,
    /// Nothing is due until this moment; none: nothing waits in the calendar.
    Until(Option<Timestamp>),
    /// Somebody else has it, or what is due, in hand.
    ToOthers,
    /// It could not be served, for so long.
    For(Duration),
}

impl Agenda {
    /// Nobody is known to have timers.
    pub(super) fn new(now: Instant, horizon: Duration) -> Self {
        Self { queue: BTreeSet::new(), tenants: HashMap::new(), rest_until: now, clock: None, horizon }
    }

    /// Takes the tenants whose timers are due now, `most` at most, whoever waits longest first; none where it is not time yet.
    pub(super) fn begin(&mut self, now: Instant, most: usize) -> Vec<TenantId> {
        let mut begun = Vec::new();
        if now < self.rest_until {
            return begun;
        }
        while begun.len() < most
            && let Some((at, tenant)) = self.queue.first().copied()
            && at <= now
        {
            self.queue.pop_first();
            self.tenants.insert(tenant, Known { at: None, in_hand: true });
            begun.push(tenant);
        }
        if !begun.is_empty() && begun.len() < most {
            self.rest_until = now + PACE;
        }
        begun
    }

    /// When the next tenant is to be served; none while nobody is known to have timers.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| (*at).max(self.rest_until))
    }

    /// Notes that the database's clock said `moment` at `now`.
    pub(super) fn hear(&mut self, moment: Timestamp, now: Instant) {
        self.clock = Some((moment, now));
    }

    /// What is due within so long is told one by one from now on.
    pub(super) fn reach(&mut self, horizon: Duration) {
        self.horizon = horizon;
    }

    /// Puts a tenant back as it was left.
    pub(super) fn settle(&mut self, tenant: TenantId, left: Left, now: Instant) {
        let called = self.tenants.remove(&tenant).and_then(|known| known.at);
        let at = match left {
            Left::More => {
                self.rest_until = now;
                Some(now)
            }
            Left::Until(next) => next.and_then(|next| self.at(next, now)),
            Left::ToOthers => Some(now + LEFT_FOR),
            Left::For(pause) => Some(now + pause),
        };
        if let Some(at) = at.into_iter().chain(called).min() {
            self.call(tenant, at);
        }
    }

    /// A tenant has a timer due then. Whether that is so soon that whoever does not hear of it may be late.
    pub(super) fn wake(&mut self, tenant: TenantId, due: Timestamp, now: Instant) -> bool {
        let at = self.at(due, now);
        if let Some(at) = at {
            self.call(tenant, at);
        }
        at.is_some()
    }

    /// When to serve what is due then; none where that is too far away to be kept here.
    fn at(&self, due: Timestamp, now: Instant) -> Option<Instant> {
        let Some((moment, heard)) = self.clock else { return Some(now) };
        let away = due.signed_duration_since(moment).to_std().unwrap_or_default();
        heard.checked_add(away).map(|at| at.max(now)).filter(|at| *at <= now + self.horizon)
    }

    /// The tenant is served by then; one that is in hand is served again.
    fn call(&mut self, tenant: TenantId, at: Instant) {
        let known = self.tenants.entry(tenant).or_default();
        if known.at.is_some_and(|known| known <= at) {
            return;
        }
        let before = known.at.replace(at);
        if !known.in_hand {
            if let Some(before) = before {
                self.queue.remove(&(before, tenant));
            }
            self.queue.insert((at, tenant));
        }
    }
}

#[cfg(test)]
mod tests;
