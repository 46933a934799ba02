//! What LINE users tell of providers (D-12). LINE tells no provider of a channel: the operator declares it. But LINE gives a user one
//! ID per provider (<https://developers.line.biz/en/docs/messaging-api/getting-user-ids/>), so two accounts that hear of the same
//! user ID have one provider, whatever was declared.
//!
//! The other evidence LINE could give, a push answered `400` because the user ID is another provider's, never comes: an account
//! sends only to whom it heard itself.

use kernel::{AccountId, ProviderId};

use crate::word::words;

/// Most evidence in one answer.
pub const MAX_EVIDENCE: usize = 200;

words! {
    /// What it says of the providers that were declared.
    ProviderVerdict {
        /// The accounts share their provider, as was declared.
        Confirms = "CONFIRMS",
        /// The accounts share their provider, and two were declared.
        Refutes = "REFUTES",
    }
}

/// An account and the provider that was declared for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declared {
    /// The account.
    pub account: AccountId,
    /// Its provider.
    pub provider: ProviderId,
}

/// That two accounts share their provider, and what that says of what was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderEvidence {
    /// The account with the smaller ID.
    pub account: AccountId,
    /// The other one.
    pub other_account: AccountId,
    /// What it says.
    pub verdict: ProviderVerdict,
}

impl ProviderEvidence {
    /// What it tells that two accounts hear of the same LINE user ID, in whichever order; nothing where they are one.
    pub fn of_same_user(one: Declared, other: Declared) -> Option<Self> {
        let verdict = if one.provider == other.provider { ProviderVerdict::Confirms } else { ProviderVerdict::Refutes };
        (one.account != other.account).then(|| Self {
            account: one.account.min(other.account),
            other_account: one.account.max(other.account),
            verdict,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn declared((account, provider): (u128, u128)) -> Declared {
        Declared { account: Uuid::from_u128(account).into(), provider: Uuid::from_u128(provider).into() }
    }

    #[test]
    fn one_provider_is_confirmed_two_are_refuted_and_one_account_tells_nothing() {
        let told = |one, other| {
            let evidence = ProviderEvidence::of_same_user(declared(one), declared(other))?;
            Some((evidence.account.uuid().as_u128(), evidence.other_account.uuid().as_u128(), evidence.verdict))
        };
        for (one, other, wanted) in [
            ((1, 7), (2, 7), Some((1, 2, ProviderVerdict::Confirms))),
            ((2, 7), (1, 7), Some((1, 2, ProviderVerdict::Confirms))),
            ((1, 7), (2, 8), Some((1, 2, ProviderVerdict::Refutes))),
            ((2, 8), (1, 7), Some((1, 2, ProviderVerdict::Refutes))),
            ((1, 7), (1, 7), None),
        ] {
            assert_eq!(told(one, other), wanted, "{one:?} {other:?}");
        }
    }

    proptest! {
        #[test]
        fn a_pair_tells_one_thing_whichever_account_hears_first(
            one in (0..4u128, 0..3u128),
            other in (0..4u128, 0..3u128),
        ) {
            let (one, other) = (declared(one), declared(other));
            let told = ProviderEvidence::of_same_user(one, other);
            prop_assert_eq!(told, ProviderEvidence::of_same_user(other, one));
            prop_assert_eq!(told.is_none(), one.account == other.account);
            if let Some(told) = told {
                prop_assert!(told.account < told.other_account);
                prop_assert_eq!(told.verdict == ProviderVerdict::Confirms, one.provider == other.provider);
            }
        }
    }
}
