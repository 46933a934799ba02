//! When this replica looks into which part of the calendar: as its next timer becomes due, at once where more is due than was taken,
//! and now and then in any case. All moments are the monotonic clock's; what the database's clock says is set off against it anew at
//! every look.

use std::time::{Duration, Instant};

use kernel::Timestamp;
use scheduler_core::turn::PARTS;
use uuid::Uuid;

use crate::postgres::calendar::Place;

/// How long a part is left alone at most: timers that another replica made, and a clock that was turned, are noticed by then.
pub(super) const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// From one look to the next at least, where nothing is known to be due: what becomes due in between is taken together.
const PACE: Duration = Duration::from_millis(20);
/// How long a part is left to whoever works on it, or has locked what is due in it.
const LEFT_FOR: Duration = Duration::from_millis(25);

/// The parts, and when each is looked into next.
#[derive(Debug)]
pub(super) struct Agenda {
    parts: Vec<Part>,
    /// The part that comes first the next time.
    first: usize,
    /// Where nothing is known to be due, nobody looks sooner.
    rest_until: Instant,
    /// What the database's clock said, and when.
    clock: Option<(Timestamp, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    look_at: Instant,
    /// Behind which tenant the next look begins.
    begin: Uuid,
    in_hand: bool,
    /// More is due in it than was taken.
    more: bool,
    /// When to look again for what somebody called while it was in hand.
    called: Option<Instant>,
}

/// How a part was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// More is due, or may be, behind this tenant.
    More(Uuid),
    /// Nothing more is due until this moment; none: nothing waits in the calendar.
    Until(Option<Timestamp>),
    /// Somebody else has it, or what is due in it.
    ToOthers,
    /// It could not be looked into, for so long.
    For(Duration),
}

impl Agenda {
    /// Every part is to be looked into.
    pub(super) fn new(now: Instant) -> Self {
        let part = Part { look_at: now, begin: Uuid::nil(), in_hand: false, more: false, called: None };
        let count = usize::try_from(PARTS).unwrap_or_default();
        Self { parts: vec![part; count], first: 0, rest_until: now, clock: None }
    }

    /// Takes the parts that are to be looked into now, in their turn; none where it is not time yet.
    pub(super) fn begin(&mut self, now: Instant) -> Vec<Place> {
        let resting = now < self.rest_until;
        let count = self.parts.len();
        let mut places = Vec::new();
        for index in (0..count).map(|step| (self.first + step) % count) {
            let Some(part) = self.parts.get_mut(index) else { continue };
            if !part.in_hand && (part.more || !resting && part.look_at <= now) {
                part.in_hand = true;
                places.extend(i16::try_from(index).ok().map(|number| (number, part.begin)));
            }
        }
        if !places.is_empty() {
            self.rest_until = self.rest_until.max(now + PACE);
        }
        places
    }

    /// When the next part is to be looked into; none while all are in hand.
    pub(super) fn next(&self) -> Option<Instant> {
        let free = || self.parts.iter().filter(|part| !part.in_hand);
        let soonest = free().map(|part| part.look_at).min()?;
        Some(if free().any(|part| part.more) { soonest } else { soonest.max(self.rest_until) })
    }

    /// Notes that the database's clock said `moment` at `now`.
    pub(super) fn hear(&mut self, moment: Timestamp, now: Instant) {
        self.clock = Some((moment, now));
    }

    /// Puts parts back that were taken and not looked into: they come first, and at once.
    pub(super) fn give_back(&mut self, parts: &[i16]) {
        for part in parts {
            if let Some(kept) = self.part(*part) {
                (kept.in_hand, kept.more) = (false, true);
            }
        }
        if let Some(first) = parts.first().and_then(|part| usize::try_from(*part).ok()) {
            self.first = first;
        }
    }

    /// Puts a part back as it was left.
    pub(super) fn settle(&mut self, part: i16, left: Left, now: Instant) {
        let (look_at, begin, more) = match left {
            Left::More(begin) => (now, begin, true),
            Left::Until(next) => (self.until(next, now), Uuid::nil(), false),
            Left::ToOthers => (now + LEFT_FOR, Uuid::nil(), false),
            Left::For(pause) => (now + pause, Uuid::nil(), false),
        };
        if let Some(kept) = self.part(part) {
            let look_at = kept.called.map_or(look_at, |called| called.min(look_at));
            *kept = Part { look_at, begin, in_hand: false, more, called: None };
        }
    }

    /// Somebody made a timer of a part, due then. Whether whoever does not hear of it would be late.
    pub(super) fn wake(&mut self, part: i16, due: Timestamp, now: Instant) -> bool {
        let at = self.until(Some(due), now);
        if let Some(kept) = self.part(part) {
            kept.call(at);
        }
        at < now + LOOKS_EVERY
    }

    /// Somebody may have made timers anywhere.
    pub(super) fn wake_all(&mut self, now: Instant) {
        self.parts.iter_mut().for_each(|part| part.call(now));
    }

    /// When to look for what is due then: not before it, as far as the last look told, and soon in any case.
    fn until(&self, due: Option<Timestamp>, now: Instant) -> Instant {
        let latest = now + LOOKS_EVERY;
        let Some(due) = due else { return latest };
        let Some((moment, heard)) = self.clock else { return now };
        let away = due.signed_duration_since(moment).to_std().unwrap_or_default();
        heard.checked_add(away).map_or(latest, |at| at.clamp(now, latest))
    }

    fn part(&mut self, part: i16) -> Option<&mut Part> {
        usize::try_from(part).ok().and_then(|index| self.parts.get_mut(index))
    }
}

impl Part {
    /// It is looked into by then; one that is in hand is looked into again.
    fn call(&mut self, at: Instant) {
        if self.in_hand {
            self.called = Some(self.called.map_or(at, |called| called.min(at)));
        } else {
            self.look_at = self.look_at.min(at);
        }
    }
}

#[cfg(test)]
mod tests;
