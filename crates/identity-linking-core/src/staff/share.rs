//! A tenant's share in a staff account of the operator's: the operator gives it and takes it back, the tenant uses it or not.

use kernel::{AccountId, TenantId};

use super::ShareCode;
use crate::Unfit;
use crate::word::words;

/// Notices that a tenant may have pushed by the account in a month: 1 to 1,000,000, so that no tenant uses up the account's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PushLimit(i32);

impl PushLimit {
    /// Reads a limit.
    ///
    /// # Errors
    /// When it is out of range.
    pub fn new(number: i32) -> Result<Self, Unfit> {
        if (1..=1_000_000).contains(&number) { Ok(Self(number)) } else { Err(Unfit("is not 1 to 1000000")) }
    }

    /// The number.
    pub fn number(self) -> i32 {
        self.0
    }
}

words! {
    /// How a share stands.
    ShareState {
        /// The tenant may use the account, and does not.
        Offered = "OFFERED",
        /// It is the tenant's staff account.
        Used = "USED",
        /// The operator took it back.
        Ended = "ENDED",
    }
}

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffShare {
    /// The tenant that has the account.
    pub home: TenantId,
    /// The account.
    pub account: AccountId,
    /// Names the tenant there.
    pub code: ShareCode,
    /// How much of the account's quota the tenant may use.
    pub push_limit: PushLimit,
    /// How it stands.
    pub state: ShareState,
}

/// Staff are bound on one account: another one is given when nobody is bound on this any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant uses its share in another account")]
pub struct ShareUsed;

impl StaffShare {
    /// A share that is given to a tenant which had `before`: the one it uses is changed and goes on being used.
    ///
    /// # Errors
    /// When the tenant uses one in another account.
    pub fn given(
        before: Option<&Self>,
        (home, account): (TenantId, AccountId),
        code: ShareCode,
        push_limit: PushLimit,
    ) -> Result<Self, ShareUsed> {
        let state = match before {
            Some(before) if before.serves(home, account) => ShareState::Used,
            Some(before) if before.state == ShareState::Used => return Err(ShareUsed),
            _ => ShareState::Offered,
        };
        Ok(Self { home, account, code, push_limit, state })
    }

    /// Whether the account of that tenant is this one's staff account.
    pub fn serves(&self, home: TenantId, account: AccountId) -> bool {
        self.state == ShareState::Used && (self.home, self.account) == (home, account)
    }

    /// The share, used or not any more; none where it was taken back.
    pub fn turned(self, used: bool) -> Option<Self> {
        let state = if used { ShareState::Used } else { ShareState::Offered };
        (self.state != ShareState::Ended).then_some(Self { state, ..self })
    }

    /// The share, taken back.
    #[must_use]
    pub fn ended(self) -> Self {
        Self { state: ShareState::Ended, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn place(number: u128) -> (TenantId, AccountId) {
        (Uuid::from_u128(number).into(), Uuid::from_u128(number).into())
    }

    #[test]
    fn a_limit_is_one_to_a_million() {
        assert!([i32::MIN, -1, 0, 1_000_001, i32::MAX].into_iter().all(|number| PushLimit::new(number).is_err()));
        assert_eq!([1, 1_000_000].map(|number| PushLimit::new(number).map(PushLimit::number)), [Ok(1), Ok(1_000_000)]);
    }

    proptest! {
        #[test]
        fn whatever_is_done_a_tenant_uses_what_it_was_given_and_changes_account_only_when_it_uses_none(
            acts in proptest::collection::vec((0_u8..4, 1_u128..3), 1..12),
        ) {
            let (code, limit) = (ShareCode::of(7), PushLimit::new(5).unwrap());
            let mut share: Option<StaffShare> = None;
            for (act, account) in acts {
                let before = share.clone();
                let used = before.as_ref().is_some_and(|before| before.state == ShareState::Used);
                match (act, share.clone()) {
                    (0, _) => match StaffShare::given(before.as_ref(), place(account), code.clone(), limit) {
                        Ok(given) => {
                            prop_assert_eq!(given.state == ShareState::Used, used);
                            share = Some(given);
                        }
                        Err(ShareUsed) => prop_assert!(used),
                    },
                    (1 | 2, Some(now)) => {
                        let turned = now.turned(act == 1);
                        let ended = before.as_ref().is_some_and(|before| before.state == ShareState::Ended);
                        prop_assert_eq!(turned.is_none(), ended);
                        share = turned.or(share);
                    }
                    (3, Some(now)) => share = Some(now.ended()),
                    _ => {}
                }
                if let (Some(before), Some(after)) = (&before, &share)
                    && used && after.state == ShareState::Used
                {
                    prop_assert!(after.serves(before.home, before.account), "moved while it was used");
                }
                if let Some(share) = &share {
                    let (other, there) = place(9);
                    prop_assert!(!share.serves(other, there));
                }
            }
        }
    }
}
