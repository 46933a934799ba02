//! What is said of timers that were taken from the calendar because their moment has come.

use std::collections::BTreeMap;

use kernel::{TenantId, Timestamp};

use crate::timer::{LatePolicy, Timer};
use crate::{Key, Owner};

/// Most timers one event tells of.
pub const MOST_OF_AN_EVENT: usize = 500;

/// What a timer's lateness makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is said.
    Due,
    /// It is too late for it.
    Missed,
}

/// Why a timer was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Miss {
    /// Its moment had passed for longer than its policy allows.
    TooLate,
    /// A later one was said in its place.
    Merged,
}

impl Miss {
    /// The reason's number, in tables and as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::TooLate => 1,
            Self::Merged => 2,
        }
    }

    /// The reason of that number.
    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::TooLate),
            2 => Some(Self::Merged),
            _ => None,
        }
    }
}

/// A timer that was taken from the book and the calendar: what follows is the last that is heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose it is.
    pub tenant: TenantId,
    /// The timer.
    pub timer: Timer,
}

/// What becomes of timers that were taken together; each is in one of the lists, in the order they were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fired {
    /// Those that are said.
    pub due: Vec<Taken>,
    /// Those that are not, each to be recorded with its reason.
    pub missed: Vec<(Taken, Miss)>,
}

/// One event: timers of one tenant and one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// The tenant that hears it.
    pub tenant: TenantId,
    /// The owner it is for.
    pub owner: &'a Owner,
    /// What is told of the timers.
    pub tidings: Tidings<'a>,
}

/// What an event tells of its timers, at least one and at most as many as were allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidings<'a> {
    /// Their moment has come.
    Due(Vec<&'a Timer>),
    /// They were too late to be said.
    Missed(Vec<&'a Timer>),
}

/// Judges one timer alone: what is due is said as late as its policy allows.
#[must_use]
pub fn judge(policy: &LatePolicy, due: Timestamp, now: Timestamp) -> Fate {
    match policy.late_for() {
        Some(late_for) if !late_for.allows(due, now) => Fate::Missed,
        _ => Fate::Due,
    }
}

/// Judges timers that were taken together at `now`. Of those of one tenant and owner that merge into one key, the last one in time is
/// said, by moment and then by key, and all others are [`Miss::Merged`]; where none is in time, all are [`Miss::TooLate`].
/// Merging knows only what was taken together: a backlog larger than a tenant's share is said once a share.
#[must_use]
pub fn merge(taken: Vec<Taken>, now: Timestamp) -> Fired {
    let mut last = BTreeMap::new();
    for Taken { tenant, timer } in &taken {
        if let Some(into) = timer.policy.merges_into()
            && judge(&timer.policy, timer.due, now) == Fate::Due
        {
            let at = last.entry((*tenant, &timer.owner, into)).or_insert((timer.due, &timer.key));
            *at = (*at).max((timer.due, &timer.key));
        }
    }
    let fates: Vec<Option<Miss>> = taken.iter().map(|one| miss(one, &last, now)).collect();
    let mut fired = Fired::default();
    for (one, fate) in taken.into_iter().zip(fates) {
        match fate {
            None => fired.due.push(one),
            Some(miss) => fired.missed.push((one, miss)),
        }
    }
    fired
}

/// The last timer in time, its moment and key, of each tenant, owner and key to merge into.
type Last<'a> = BTreeMap<(TenantId, &'a Owner, &'a Key), (Timestamp, &'a Key)>;

fn miss(one: &Taken, last: &Last<'_>, now: Timestamp) -> Option<Miss> {
    let Taken { tenant, timer } = one;
    let said = timer.policy.merges_into().and_then(|into| last.get(&(*tenant, &timer.owner, into)));
    match said {
        Some(said) => (*said != (timer.due, &timer.key)).then_some(Miss::Merged),
        None => (judge(&timer.policy, timer.due, now) == Fate::Missed).then_some(Miss::TooLate),
    }
}

/// The events that tell of what was fired: for each tenant and owner what is due, and what was too late where the policy has its owner
/// told; at most `most` timers an event. What merged is told by the event of the one it merged into.
#[must_use]
pub fn events(fired: &Fired, most: usize) -> Vec<Said<'_>> {
    let told = |(one, miss): &&(Taken, Miss)| *miss == Miss::TooLate && one.timer.policy.tells_of_misses();
    let missed = fired.missed.iter().filter(told).map(|(one, _)| one);
    let mut said = grouped(fired.due.iter(), most, Tidings::Due);
    said.extend(grouped(missed, most, Tidings::Missed));
    said
}

fn grouped<'a>(
    timers: impl Iterator<Item = &'a Taken>,
    most: usize,
    tidings: fn(Vec<&'a Timer>) -> Tidings<'a>,
) -> Vec<Said<'a>> {
    let mut groups: BTreeMap<(TenantId, &Owner), Vec<&Timer>> = BTreeMap::new();
    for one in timers {
        groups.entry((one.tenant, &one.timer.owner)).or_default().push(&one.timer);
    }
    let chunks = |((tenant, owner), timers): ((TenantId, &'a Owner), Vec<&'a Timer>)| {
        let said = |chunk: &[&'a Timer]| Said { tenant, owner, tidings: tidings(chunk.to_vec()) };
        timers.chunks(most.max(1)).map(said).collect::<Vec<_>>()
    };
    groups.into_iter().flat_map(chunks).collect()
}

#[cfg(test)]
mod tests;
