//! Form tokens: what stands in the address of a form page. Holding one proves nothing about who holds it (L-04).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use kernel::{AccountId, FriendId, LinkAttemptId, TenantId, Timestamp};
use sha2::{Digest, Sha256};

use crate::matching::{LinkMethod, Refusal};

/// How long a form token lives.
pub const LIFE: TimeDelta = TimeDelta::hours(1);
/// Most refused attempts that are kept of one token: enough to see what somebody does with it.
const MOST_REFUSALS: u32 = 10;
/// Characters of the secret part.
const SECRET: usize = 43;

/// `{tenant}.{secret}`, the secret 32 random bytes as 43 characters of base64url. Issued tokens are kept by the secret's hash alone.
/// The address that holds the token is sent in a card, though: it stands in clear in identity's outbox, on the bus, and in
/// messaging's kept message, for as long as those keep what they hold. After [`LIFE`] it opens nothing any more. `Debug` shows none
/// of it.
#[derive(Clone, PartialEq, Eq)]
pub struct FormToken {
    tenant: TenantId,
    secret: String,
}

/// A form token as it was issued: for one submission, of one form, for one LINE user of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedFormToken {
    /// The account.
    pub account: AccountId,
    /// The LINE user whom it was given to, and who alone can complete what is submitted with it.
    pub friend: FriendId,
    /// The form.
    pub method: LinkMethod,
    /// When it ends.
    pub expire_time: Timestamp,
    /// When something was submitted with it.
    pub use_time: Option<Timestamp>,
    /// What was submitted with it.
    pub attempt: Option<LinkAttemptId>,
    /// How many dialogs of LINE it led to.
    pub dialogs: u32,
    /// How many attempts are kept that came when it was good for nothing any more.
    pub refusals: u32,
}

/// What a form token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormTokenState {
    /// One submission.
    Fresh,
    /// Nothing new any more: something was submitted with it.
    Used,
    /// Nothing any more: it is too old.
    Expired,
}

impl FormToken {
    /// The token of 32 bytes that nobody can guess.
    pub fn of(tenant: TenantId, random: [u8; 32]) -> Self {
        Self { tenant, secret: URL_SAFE_NO_PAD.encode(random) }
    }

    /// Reads a token as it stands in an address; none where it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, secret) = text.split_once('.')?;
        let is_secret =
            secret.len() == SECRET && secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        Some(Self { tenant: tenant.parse().ok()?, secret: is_secret.then(|| secret.to_owned())? })
    }

    /// Whose it is, as it says itself.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The token as it stands in an address.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.tenant, self.secret)
    }

    /// SHA-256 of the secret part's characters.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret.as_bytes()).into()
    }
}

impl fmt::Debug for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormToken(..)")
    }
}

impl IssuedFormToken {
    /// What it is good for at `now`. A used one stays used, however old.
    pub fn state(&self, now: Timestamp) -> FormTokenState {
        if self.use_time.is_some() {
            FormTokenState::Used
        } else if now >= self.expire_time {
            FormTokenState::Expired
        } else {
            FormTokenState::Fresh
        }
    }

    /// Whether one more attempt that is refused for what has become of the token is kept: whoever sends an old form again and again
    /// fills nothing.
    pub fn keeps_refusal(&self) -> bool {
        self.refusals < MOST_REFUSALS
    }
}

impl FormTokenState {
    /// Why nothing is linked with it; none where it is fresh.
    pub fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Fresh => None,
            Self::Used => Some(Refusal::TokenUsed),
            Self::Expired => Some(Refusal::TokenExpired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn a_token_carries_its_tenant_in_clear_and_hides_the_rest() {
        let tenant = TenantId::from(Uuid::from_u128(7));
        let token = FormToken::of(tenant, [0xfb; 32]);
        let read = FormToken::parse(&token.reveal()).unwrap();
        assert_eq!((read.tenant(), read.hash()), (tenant, token.hash()));
        assert_eq!(format!("{token:?}"), "FormToken(..)");
    }

    #[test]
    fn a_token_of_another_tenants_name_has_the_same_hash_and_another_tenant() {
        let mine = FormToken::of(Uuid::from_u128(7).into(), [1; 32]);
        let secret = mine.reveal().split_once('.').unwrap().1.to_owned();
        let swapped = FormToken::parse(&format!("{}.{secret}", Uuid::from_u128(8))).unwrap();
        assert_ne!(swapped.tenant(), mine.tenant());
    }

    #[test]
    fn a_few_refused_attempts_are_kept_of_a_token_and_no_more() {
        let token = |refusals| IssuedFormToken {
            account: Uuid::nil().into(),
            friend: Uuid::nil().into(),
            method: LinkMethod::LinkForm,
            expire_time: Timestamp::UNIX_EPOCH,
            use_time: None,
            attempt: None,
            dialogs: 0,
            refusals,
        };
        assert_eq!([0, 9, 10, 11].map(|kept| token(kept).keeps_refusal()), [true, true, false, false]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_token_or_none(text in "\\PC{0,90}") {
            if let Some(token) = FormToken::parse(&text) {
                prop_assert_eq!(FormToken::parse(&token.reveal()), Some(token));
            }
        }

        #[test]
        fn a_token_is_good_for_one_submission_in_its_time(age in -60i64..8000, used in proptest::option::of(0i64..3600)) {
            let issued = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
            let token = IssuedFormToken {
                account: Uuid::nil().into(),
                friend: Uuid::nil().into(),
                method: LinkMethod::LinkForm,
                expire_time: issued + LIFE,
                use_time: used.map(|after| issued + TimeDelta::seconds(after)),
                attempt: used.map(|_| Uuid::nil().into()),
                dialogs: 0,
                refusals: 0,
            };
            let state = token.state(issued + TimeDelta::seconds(age));
            prop_assert_eq!(state == FormTokenState::Fresh, used.is_none() && age < LIFE.num_seconds());
            prop_assert_eq!(state.refusal().is_none(), state == FormTokenState::Fresh);
        }
    }
}
