//! How the parts of the calendar are left after a look at them, and so when to look again.

use std::collections::HashMap;

use kernel::{TenantId, Timestamp};
use uuid::Uuid;

use super::agenda::Left;
use crate::postgres::calendar::{Head, Look, Place, Seen, Take};

/// What is left of a tenant's timers in the calendar after a share of them was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// More is due.
    Due,
    /// Somebody is moving or cancelling what is due.
    Locked,
    /// Nothing is due before this moment; none: nothing is there.
    Until(Option<Timestamp>),
}

/// What is left of each tenant's timers after at most `share` were taken at `moment`.
pub(super) fn served(take: &Take, share: i32, moment: Timestamp) -> Vec<(i16, Rest)> {
    let mut counts: HashMap<TenantId, i32> = HashMap::new();
    for one in &take.timers {
        *counts.entry(one.tenant).or_default() += 1;
    }
    let rest = |(head, next): &(Head, Option<Timestamp>)| {
        let rest = match next {
            Some(next) if *next <= moment => {
                let full = counts.get(&head.tenant).is_some_and(|count| *count >= share);
                if full { Rest::Due } else { Rest::Locked }
            }
            next => Rest::Until(*next),
        };
        (head.part, rest)
    };
    take.next.iter().map(rest).collect()
}

/// How each part is left after a look, and after its tenants with due timers were served.
pub(super) fn left(held: &[Place], look: &Look, served: &[(i16, Rest)]) -> Vec<(i16, Left)> {
    let of = |(part, seen): &(i16, Seen)| {
        let begun_behind = held.iter().any(|(held, begin)| held == part && !begin.is_nil());
        let rests = || served.iter().filter(|(of, _)| of == part).map(|(_, rest)| *rest);
        let left = match seen {
            Seen::Busy => Left::ToOthers,
            Seen::UpTo(tenant) => Left::More(*tenant),
            Seen::All(_) if begun_behind || rests().any(|rest| rest == Rest::Due) => Left::More(Uuid::nil()),
            Seen::All(_) if rests().any(|rest| rest == Rest::Locked) => Left::ToOthers,
            Seen::All(next) => {
                let others = rests().filter_map(|rest| if let Rest::Until(next) = rest { next } else { None });
                Left::Until(others.chain(*next).min())
            }
        };
        (*part, left)
    };
    look.parts.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(1_763_769_600_000 + millis).unwrap()
    }

    fn head(part: i16, tenant: u128) -> Head {
        Head { part, tenant: Uuid::from_u128(tenant).into() }
    }

    #[test]
    fn a_part_is_left_until_the_next_moment_of_any_of_its_tenants() {
        let held = [(1, Uuid::nil()), (2, Uuid::nil()), (3, Uuid::from_u128(9)), (4, Uuid::nil()), (5, Uuid::nil())];
        let look = Look {
            moment: Some(at(0)),
            heads: vec![head(1, 1), head(1, 2)],
            parts: vec![
                (1, Seen::All(Some(at(900)))),
                (2, Seen::All(None)),
                (3, Seen::All(Some(at(5)))),
                (4, Seen::UpTo(Uuid::from_u128(7))),
                (5, Seen::Busy),
            ],
        };
        let take = Take { timers: Vec::new(), next: vec![(head(1, 1), Some(at(40))), (head(1, 2), None)] };
        let expected = |first| {
            let (begin, behind) = (Left::More(Uuid::nil()), Left::More(Uuid::from_u128(7)));
            vec![(1, first), (2, Left::Until(None)), (3, begin), (4, behind), (5, Left::ToOthers)]
        };
        assert_eq!(left(&held, &look, &served(&take, 50, at(0))), expected(Left::Until(Some(at(40)))));
        // What is still due and was not taken is in somebody else's hand.
        assert_eq!(left(&held, &look, &served(&take, 50, at(60))), expected(Left::ToOthers));
        assert_eq!(left(&held, &look, &[(1, Rest::Due), (1, Rest::Locked)]), expected(Left::More(Uuid::nil())));
    }
}
