//! Whom an official account is for.

use super::OfficialAccount;
use crate::word::words;

words! {
    /// Whom an official account is for.
    AccountPurpose {
        /// For customers.
        Customers = "CUSTOMERS",
        /// For the tenant's staff: its LINE users are staff, never customers, friends or recipients of anything else.
        Staff = "STAFF",
        /// For the staff of every tenant that has a share in it: the operator's.
        SharedStaff = "SHARED_STAFF",
    }
}

impl AccountPurpose {
    /// Whether its LINE users are staff and nobody else.
    pub fn is_for_staff(self) -> bool {
        matches!(self, Self::Staff | Self::SharedStaff)
    }
}

/// LINE users know the account as what it is, and would be taken for somebody else from one day to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("LINE users know the account already; its purpose stays as it is")]
pub struct AccountInUse;

/// The account with another purpose. `is_in_use` says whether any LINE user was seen on it.
///
/// # Errors
/// When the purpose would change and somebody was seen.
pub fn repurposed(
    account: OfficialAccount,
    purpose: AccountPurpose,
    is_in_use: bool,
) -> Result<OfficialAccount, AccountInUse> {
    if is_in_use && purpose != account.purpose {
        return Err(AccountInUse);
    }
    Ok(OfficialAccount { purpose, ..account })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountState;

    #[test]
    fn a_purpose_changes_while_nobody_was_seen_and_is_the_same_for_ever_after() {
        for before in AccountPurpose::ALL {
            for after in AccountPurpose::ALL {
                for is_in_use in [false, true] {
                    let account = OfficialAccount {
                        provider: uuid::Uuid::nil().into(),
                        channel_id: "1234567890".parse().unwrap(),
                        display_name: None,
                        basic_id: None,
                        bot: None,
                        state: AccountState::Connected,
                        purpose: *before,
                        owner_organization: None,
                        default_organization: None,
                        chat_mode: None,
                        chat_mode_time: None,
                        connect_time: None,
                    };
                    let changed = repurposed(account, *after, is_in_use).map(|account| account.purpose);
                    let wanted = if is_in_use && before != after { Err(AccountInUse) } else { Ok(*after) };
                    assert_eq!(changed, wanted);
                }
            }
        }
    }
}
