//! One portion of the archive.

use std::collections::HashSet;

use kernel::{AccountId, Timestamp};
use ulid::Ulid;

use super::{Fate, Past, Rule};

/// Where a replay has come to: everything up to this event is done.
pub type Place = (Ulid, AccountId);

/// An event that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The event.
    pub past: Past,
    /// Whether nothing may follow from it.
    pub effects_off: bool,
}

/// What is to be done about one portion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Portion {
    /// What is to be published, in the order of the events.
    pub due: Vec<Due>,
    /// How many were asked for and are gone.
    pub skipped: u64,
    /// Where the replay has come to once that is published; none: nowhere further.
    pub place: Option<Place>,
    /// Whether nothing lies behind.
    pub is_last: bool,
}

/// What is to be done about `rows`, the next events of the archive in the order of their IDs and accounts, of which at most `size`
/// were read: as far as their bodies hold no more than `bytes` together, but for one that alone holds more.
#[must_use]
pub fn portion(rule: &Rule, rows: Vec<Past>, (size, bytes): (usize, u64), now: Timestamp) -> Portion {
    let mut portion = Portion { is_last: rows.len() < size, ..Portion::default() };
    let (mut bodies, mut held) = (HashSet::new(), 0u64);
    for past in rows {
        let fate = rule.fate(&past, now);
        if let Fate::Published { .. } = fate
            && bodies.insert(past.body)
        {
            held = held.saturating_add(past.size);
            if held > bytes && bodies.len() > 1 {
                portion.is_last = false;
                return portion;
            }
        }
        portion.place = Some((past.event, past.account));
        match fate {
            Fate::PassedBy => {}
            Fate::Gone => portion.skipped += 1,
            Fate::Published { effects_off } => portion.due.push(Due { past, effects_off }),
        }
    }
    portion
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replay::tests::{at, past, rule};
    use crate::replay::{Filter, Mode, Standing};

    #[test]
    fn a_portion_comes_as_far_as_it_was_read_whatever_of_it_was_asked_for() {
        let rule = rule(Mode::Redrive, Filter { types: vec!["none".to_owned()], ..Filter::default() });
        let read = portion(&rule, vec![past(1), past(2)], (2, u64::MAX), at(0));
        assert_eq!((read.due.len(), read.skipped, read.is_last), (0, 0, false));
        assert_eq!(read.place, Some((past(2).event, past(2).account)));
    }

    proptest! {
        /// Whatever the bodies weigh, every event comes into one portion, in order, and no portion holds more than it may.
        #[test]
        fn portions_hold_so_many_bytes_and_leave_nothing_out(
            bodies in prop::collection::vec((1u64..9, 1usize..4, any::<bool>()), 0..12), bytes in 1u64..12,
        ) {
            let rule = rule(Mode::Rebuild, Filter::default());
            let mut rows = Vec::new();
            for (number, (weight, events, is_gone)) in bodies.into_iter().enumerate() {
                let standing = if is_gone { Standing::Gone } else { Standing::Whole };
                let of_body = |n| Past { body: uuid::Uuid::from_u128(number as u128).into(), size: weight, standing, ..past(n) };
                for _ in 0..events {
                    rows.push(of_body(rows.len() as u128 + 1));
                }
            }
            let wanted: Vec<u128> = rows.iter().filter(|row| row.standing != Standing::Gone).map(|row| row.event.0).collect();
            let (mut published, mut skipped, mut left) = (Vec::new(), 0, rows.clone());
            loop {
                let size = left.len() + 1;
                let read = portion(&rule, left.clone(), (size, bytes), at(0));
                let held: std::collections::BTreeMap<_, _> = read.due.iter().map(|due| (due.past.body.uuid(), due.past.size)).collect();
                prop_assert!(held.len() <= 1 || held.values().sum::<u64>() <= bytes);
                published.extend(read.due.iter().map(|due| due.past.event.0));
                skipped += read.skipped;
                if read.is_last {
                    break;
                }
                let place = read.place.expect("it came further");
                left.retain(|row| (row.event, row.account) > place);
            }
            prop_assert_eq!((published.len() as u64 + skipped, &published), (rows.len() as u64, &wanted));
        }
    }

    #[test]
    fn a_portion_that_is_not_full_is_the_last() {
        let rule = rule(Mode::Redrive, Filter::default());
        let gone = Past { standing: Standing::Gone, ..past(1) };
        let read = portion(&rule, vec![gone, past(2)], (3, u64::MAX), at(0));
        assert_eq!((read.due.len(), read.skipped, read.is_last), (1, 1, true));
        let none = portion(&rule, Vec::new(), (3, u64::MAX), at(0));
        assert_eq!(none, Portion { is_last: true, ..Portion::default() });
    }
}
