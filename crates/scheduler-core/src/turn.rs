//! Turns of tenants: who is served next, and how much at once, so that nobody's backlog is another's lateness.

use kernel::TenantId;

/// Into how many parts tenants are divided for claims.
pub const PARTS: i16 = 64;
/// Fewest timers of a tenant that are taken in its turn: below it the turns cost more than the timers.
const LEAST: usize = 50;
/// Most timers of a tenant that are taken in its turn, so that a transaction stays short.
const MOST: usize = 2_000;

/// The part a tenant belongs to, from 0 to 63: the low six bits of its ID, which are random.
#[must_use]
pub fn part(tenant: TenantId) -> i16 {
    i16::from(tenant.uuid().as_bytes()[15] & 0b11_1111)
}

/// How many timers each of `tenants` may bring into one transaction of about `batch`: from 50 to 2,000.
#[must_use]
pub fn share(batch: usize, tenants: usize) -> i32 {
    let share = (batch / tenants.max(1)).clamp(LEAST, MOST);
    i32::try_from(share).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn every_tenant_has_a_part_and_a_bounded_share(tenant: u128, batch: usize, tenants: usize) {
            prop_assert!((0..PARTS).contains(&part(Uuid::from_u128(tenant).into())));
            prop_assert!((50..=2_000).contains(&share(batch, tenants)));
            prop_assert!(share(batch, tenants) >= share(batch, tenants.saturating_add(1)));
        }
    }

    #[test]
    fn a_batch_is_shared_out() {
        assert_eq!(
            [share(4_000, 0), share(4_000, 1), share(4_000, 8), share(4_000, 64), share(4_000, 500)],
            [2_000, 2_000, 500, 62, 50]
        );
        assert_eq!(part(Uuid::from_u128(0x1_0000_0000_0000_00C1).into()), 1);
    }
}
