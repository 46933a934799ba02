//! LINE's link token, which its account-link dialog is opened with
//! (<https://developers.line.biz/en/reference/messaging-api/#issue-link-token>): what it means that none is issued.

use crate::matching::Refusal;

/// Why LINE's link token is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLinkToken {
    /// LINE, or the way to it, gave no answer that settles it: the token may come when it is asked for again.
    Away,
    /// None comes, however often it is asked for.
    Refused(Refusal),
}

impl NoLinkToken {
    /// Sorts what was answered instead of a token: whether it `settles` that none comes, and the reason that was given. What is
    /// no settled answer (nobody reached, no answer in time, an account not known there yet, a fault) may be another one next
    /// time. A settled one is about the account where its channel credential is missing or not taken; else about the LINE user,
    /// whom LINE refuses where he blocked the account or is gone, and who could not confirm anything.
    pub fn sort(settles: bool, reason: Option<&str>) -> Self {
        match (settles, reason) {
            (false, _) => Self::Away,
            (true, Some("ACCOUNT_NOT_CONNECTED" | "CREDENTIAL_REFUSED")) => Self::Refused(Refusal::AccountNotConnected),
            (true, _) => Self::Refused(Refusal::NotConfirmedByLine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refused_user_is_told_apart_from_an_account_that_is_not_connected() {
        let settled = |reason| NoLinkToken::sort(true, reason);
        for account in ["ACCOUNT_NOT_CONNECTED", "CREDENTIAL_REFUSED"] {
            assert_eq!(settled(Some(account)), NoLinkToken::Refused(Refusal::AccountNotConnected));
        }
        for user in [Some("LINE_REFUSED"), Some("A_REASON_OF_TOMORROW"), None] {
            assert_eq!(settled(user), NoLinkToken::Refused(Refusal::NotConfirmedByLine), "{user:?}");
        }
    }

    proptest! {
        #[test]
        fn what_settles_nothing_is_asked_again_whatever_its_reason(reason in proptest::option::of("[A-Z_]{0,30}")) {
            prop_assert_eq!(NoLinkToken::sort(false, reason.as_deref()), NoLinkToken::Away);
            prop_assert_eq!(NoLinkToken::sort(false, Some("LINE_REFUSED")), NoLinkToken::Away);
        }
    }
}
