//! Turns of tenants: who is served next, and how much at once, so that nobody's backlog is another's lateness.

use kernel::TenantId;

/// Into how many parts the calendar is divided, by its tenants.
pub const PARTS: i16 = 64;
/// About how many timers one transaction takes: it stays short.
pub const BATCH: i32 = 4_000;
/// Most timers of a tenant that are taken in its turn while others wait: as many as one event tells of.
const WHILE_OTHERS_WAIT: i32 = 500;
/// Most timers of a tenant that are taken in its turn when it is alone: whoever comes now waits for no more.
const ALONE: i32 = 2_000;

/// The part a tenant belongs to, from 0 to 63: the low six bits of its ID, which are random.
#[must_use]
pub fn part(tenant: TenantId) -> i16 {
    i16::from(tenant.uuid().as_bytes()[15] & 0b11_1111)
}

/// How many timers each of `tenants` may bring into one transaction.
#[must_use]
pub const fn share(tenants: usize) -> i32 {
    if tenants > 1 { WHILE_OTHERS_WAIT } else { ALONE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fire::MOST_OF_AN_EVENT;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn every_tenant_has_a_part_and_a_bounded_share(tenant: u128, tenants: usize) {
            prop_assert!((0..PARTS).contains(&part(Uuid::from_u128(tenant).into())));
            prop_assert!((500..=2_000).contains(&share(tenants)));
            prop_assert!(share(tenants) >= share(tenants.saturating_add(1)));
        }
    }

    #[test]
    fn a_share_fills_events() {
        let most = i32::try_from(MOST_OF_AN_EVENT).unwrap();
        assert!([share(1), share(2), BATCH].iter().all(|timers| timers % most == 0));
        assert_eq!(part(Uuid::from_u128(0x1_0000_0000_0000_00C1).into()), 1);
    }
}
