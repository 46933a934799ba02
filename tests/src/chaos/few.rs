//! The bounded few of `make test`: for each kind of fault the first seed that draws it, so that none is left to luck, and each can be
//! played again by its seed. One kind is for `make chaos` alone, where it is drawn as any other: a minute without Postgres takes too long.

use chrono::TimeDelta;
use line_simulator::Effect;

use super::clocks::WrongClock;
use super::dice::Dice;
use super::fault::{Fault, LONG};
use crate::service::Service;

/// What a bounded run of kills must not leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    KillEveryScheduler,
    /// Inside a service.
    KillAt(Service),
    /// Inside a scheduler, as a slot of a digest is said.
    KillAtSlot,
    KillAtSpill,
    PostgresAway,
    NatsAway,
    StreamsDeleted,
    StreamsDeletedWhileDown,
    StreamsDeletedWhileSpilling,
    /// LINE takes nothing.
    LineRefuses,
    /// LINE takes it, and nobody hears so.
    LineTakesUnheard,
    ClocksAhead,
    ClocksBehind,
    ClocksApart,
}

const ALL: [Kind; 18] = [
    Kind::Kill,
    Kind::KillEveryScheduler,
    Kind::KillAt(Service::WebhookIngest),
    Kind::KillAt(Service::IdentityLinking),
    Kind::KillAt(Service::MessagingOutbox),
    Kind::KillAt(Service::Scheduler),
    Kind::KillAtSlot,
    Kind::KillAtSpill,
    Kind::PostgresAway,
    Kind::NatsAway,
    Kind::StreamsDeleted,
    Kind::StreamsDeletedWhileDown,
    Kind::StreamsDeletedWhileSpilling,
    Kind::LineRefuses,
    Kind::LineTakesUnheard,
    Kind::ClocksAhead,
    Kind::ClocksBehind,
    Kind::ClocksApart,
];

impl Kind {
    /// The kind of a fault; none of one that is for `make chaos` alone.
    fn of(fault: &Fault) -> Option<Self> {
        Some(match fault {
            Fault::Kill(_) => Self::Kill,
            // Of the scheduler alone there are several.
            Fault::KillEvery(_) => Self::KillEveryScheduler,
            Fault::KillAt(Service::Scheduler, place, _) if place.ends_with("_digest") => Self::KillAtSlot,
            Fault::KillAt(service, ..) => Self::KillAt(*service),
            Fault::KillAtSpill(..) => Self::KillAtSpill,
            Fault::PostgresAway(LONG) => return None,
            Fault::PostgresAway(_) => Self::PostgresAway,
            Fault::NatsAway(_) => Self::NatsAway,
            Fault::StreamsDeleted => Self::StreamsDeleted,
            Fault::StreamsDeletedWhileDown(_) => Self::StreamsDeletedWhileDown,
            Fault::StreamsDeletedWhileSpilling(_) => Self::StreamsDeletedWhileSpilling,
            Fault::Line(
                Effect::AcceptedAnswerLost | Effect::AcceptedThenServerError | Effect::AcceptedThenHang { .. },
                _,
            ) => Self::LineTakesUnheard,
            Fault::Line(..) => Self::LineRefuses,
            Fault::Clock(WrongClock::Apart { .. }) => Self::ClocksApart,
            Fault::Clock(WrongClock::Jump { by, .. }) if *by > TimeDelta::zero() => Self::ClocksAhead,
            Fault::Clock(WrongClock::Jump { .. }) => Self::ClocksBehind,
        })
    }
}

/// The seeds of the bounded few, the smallest first.
#[must_use]
pub fn seeds() -> Vec<u64> {
    let first = |kind: &Kind| (1..1_000).find(|seed| Kind::of(&Fault::draw(&mut Dice::new(*seed))) == Some(*kind));
    let mut seeds: Vec<u64> = ALL.iter().filter_map(first).collect();
    seeds.sort_unstable();
    seeds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounded_few_hold_every_kind_of_fault_but_one() {
        let drawn: Vec<Fault> = seeds().into_iter().map(|seed| Fault::draw(&mut Dice::new(seed))).collect();
        assert_eq!(drawn.len(), ALL.len(), "one run for each kind");
        for kind in ALL {
            assert!(drawn.iter().any(|fault| Kind::of(fault) == Some(kind)), "{kind:?}: {drawn:?}");
        }
        // Whatever the dice can draw is of a kind that is among them, but for that of `make chaos` alone.
        for fault in (0..2_000).map(|seed| Fault::draw(&mut Dice::new(seed))) {
            let is_rare = matches!(fault, Fault::PostgresAway(LONG));
            assert!(Kind::of(&fault).map_or(is_rare, |kind| ALL.contains(&kind)), "{fault:?}");
        }
    }
}
