//! How tenants are left after their due timers were taken, and so when they are served again.

use kernel::{TenantId, Timestamp};

use super::agenda::Left;
use crate::postgres::calendar::{Rest, Take};

/// How each of `held` is left after at most `share` of its timers were taken.
pub(super) fn left(held: &[TenantId], take: &Take, share: i32) -> Vec<(TenantId, Left)> {
    let rest = |tenant: &TenantId| take.rests.iter().find(|(of, _)| of == tenant).map(|(_, rest)| *rest);
    held.iter().map(|tenant| (*tenant, left_of(rest(tenant), take.moment, share))).collect()
}

fn left_of(rest: Option<Rest>, moment: Option<Timestamp>, share: i32) -> Left {
    match rest {
        // Enough was taken of others.
        None => Left::More,
        Some(Rest::Busy) => Left::ToOthers,
        Some(Rest::Next { taken, due: Some(due) }) if moment.is_some_and(|moment| due <= moment) => {
            // Somebody is moving or cancelling what is due and was not taken.
            if taken >= share.into() { Left::More } else { Left::ToOthers }
        }
        Some(Rest::Next { due, .. }) => Left::Until(due),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(1_763_769_600_000 + millis).unwrap()
    }

    #[test]
    fn a_tenant_is_left_until_its_next_moment_or_at_once_where_more_is_due() {
        let tenant = |number: u128| TenantId::from(Uuid::from_u128(number));
        let next = |taken, due| Rest::Next { taken, due };
        let cases = [
            (next(1, Some(at(40))), Left::Until(Some(at(40)))),
            (next(0, None), Left::Until(None)),
            (next(50, Some(at(0))), Left::More),
            (next(49, Some(at(-5))), Left::ToOthers),
            (Rest::Busy, Left::ToOthers),
        ];
        let held: Vec<TenantId> = (0..6).map(tenant).collect();
        let rests = held.iter().copied().zip(cases.map(|(rest, _)| rest)).collect();
        let take = Take { moment: Some(at(0)), timers: Vec::new(), rests };
        let lefts: Vec<Left> = left(&held, &take, 50).into_iter().map(|(_, left)| left).collect();
        assert_eq!(lefts, [cases.map(|(_, left)| left).as_slice(), &[Left::More]].concat(), "the last was not come to");
    }
}
