//! Invitations: whoever types the code of one, as the LINE user whom LINE confirms, is that staff member on LINE.

use std::fmt;

use chrono::TimeDelta;
use kernel::{StaffId, Timestamp};
use sha2::{Digest, Sha256};

use crate::word::words;

/// How long an invitation is open.
pub const INVITATION_LIFE: TimeDelta = TimeDelta::days(7);
/// Characters of a code: 80 bits at five a character, so that nobody guesses one in a week however many are open.
const LENGTH: usize = 16;
/// Characters of a group, as a code is written.
const GROUP: usize = 4;
/// Most characters that are read as a code.
const LONGEST: usize = 100;
/// Characters of a share's code: 20 bits, which name a tenant on one account and are no secret.
const SHARE_LENGTH: usize = 4;
/// Characters of a code with a share's before it.
const SHARED_LENGTH: usize = SHARE_LENGTH + LENGTH;
/// The digits of Crockford's base 32 (<https://www.crockford.com/base32.html>), which leaves out what is taken for another.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The code of an invitation: 16 characters of Crockford's base 32. It is told once, to who invites; kept is its hash alone. `Debug`
/// shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct InvitationCode(String);

impl InvitationCode {
    /// The code of 10 bytes that nobody can guess.
    pub fn of(random: [u8; 10]) -> Self {
        let bits = random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        let digit = |place: usize| char::from(DIGITS[usize::try_from(bits >> (5 * place) & 31).unwrap_or_default()]);
        Self((0..LENGTH).rev().map(digit).collect())
    }

    /// SHA-256 of its characters without hyphens.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for InvitationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationCode(..)")
    }
}

/// Names a tenant on a staff account that it has a share in: four characters of Crockford's base 32. No secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareCode(String);

impl ShareCode {
    /// The code of 20 bits, the last ones of a number.
    pub fn of(number: u32) -> Self {
        let digit = |place: usize| char::from(DIGITS[usize::try_from(number >> (5 * place) & 31).unwrap_or_default()]);
        Self((0..SHARE_LENGTH).rev().map(digit).collect())
    }

    /// Reads a code as it is kept; none where it is no such code.
    pub fn named(text: &str) -> Option<Self> {
        let fits = text.len() == SHARE_LENGTH && text.bytes().all(|byte| DIGITS.contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An invitation's code as it is written down: in groups of four, behind the share's where the account serves several tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenCode {
    /// Names the tenant that invites; none: the account's own.
    pub share: Option<ShareCode>,
    /// The invitation's.
    pub code: InvitationCode,
}

impl WrittenCode {
    /// Reads a code as somebody typed it: in either case, with or without hyphens and spaces, in full width as well, with `O` for 0
    /// and `I` or `L` for 1; none where it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        if text.chars().nth(LONGEST).is_some() {
            return None;
        }
        let digits: Option<String> =
            text.chars().map(narrow).filter(|c| !is_between(*c)).map(|c| digit(c.to_ascii_uppercase())).collect();
        let digits = digits.filter(|digits| matches!(digits.len(), LENGTH | SHARED_LENGTH))?;
        let (share, code) = digits.split_at(digits.len() - LENGTH);
        Some(Self { share: ShareCode::named(share), code: InvitationCode(code.to_owned()) })
    }

    /// The code in groups.
    pub fn reveal(&self) -> String {
        let whole = [self.share.as_ref().map_or("", ShareCode::as_str), &self.code.0].concat();
        let groups: Vec<&str> =
            (0..whole.len() / GROUP).filter_map(|group| whole.get(group * GROUP..(group + 1) * GROUP)).collect();
        groups.join("-")
    }
}

/// A full-width form (U+FF01 to U+FF5E) as the character it is a form of.
fn narrow(c: char) -> char {
    let code = u32::from(c);
    if (0xFF01..=0xFF5E).contains(&code) { char::from_u32(code - 0xFEE0).unwrap_or(c) } else { c }
}

/// What people put between groups: spaces, hyphens, dashes, and the long vowel mark that a Japanese keyboard gives for one.
fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{30FC}' | '\u{FF70}')
}

fn digit(c: char) -> Option<char> {
    let meant = match c {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    u8::try_from(meant).is_ok_and(|byte| DIGITS.contains(&byte)).then_some(meant)
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Whom it invites.
    pub staff: StaffId,
    /// When it ends by itself.
    pub expire_time: Timestamp,
    /// When somebody was bound by it.
    pub use_time: Option<Timestamp>,
    /// When it was taken back.
    pub revoke_time: Option<Timestamp>,
}

words! {
    /// What an invitation is good for.
    InvitationState {
        /// One binding.
        Open = "OPEN",
        /// Nothing any more: somebody was bound by it.
        Used = "USED",
        /// Nothing any more: it was taken back.
        Revoked = "REVOKED",
        /// Nothing any more: its time is over.
        Expired = "EXPIRED",
    }
}

/// A used invitation cannot be taken back: the binding stands for itself, and is what to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("somebody was bound by the invitation")]
pub struct InvitationUsed;

impl Invitation {
    /// An invitation of `staff` that is made at `now`.
    pub fn of(staff: StaffId, now: Timestamp) -> Self {
        Self { staff, expire_time: now + INVITATION_LIFE, use_time: None, revoke_time: None }
    }

    /// What it is good for at `now`. What was used or taken back stays so, however old.
    pub fn state(&self, now: Timestamp) -> InvitationState {
        if self.use_time.is_some() {
            InvitationState::Used
        } else if self.revoke_time.is_some() {
            InvitationState::Revoked
        } else if now >= self.expire_time {
            InvitationState::Expired
        } else {
            InvitationState::Open
        }
    }

    /// The invitation, taken back at `now`. One that was, or whose time is over, stays as it is.
    ///
    /// # Errors
    /// When it was used.
    pub fn revoked(self, now: Timestamp) -> Result<Self, InvitationUsed> {
        match self.state(now) {
            InvitationState::Used => Err(InvitationUsed),
            InvitationState::Revoked | InvitationState::Expired => Ok(self),
            InvitationState::Open => Ok(Self { revoke_time: Some(now), ..self }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn written(share: Option<u32>, code: [u8; 10]) -> WrittenCode {
        WrittenCode { share: share.map(ShareCode::of), code: InvitationCode::of(code) }
    }

    #[test]
    fn a_code_is_read_as_people_type_it_and_hides_itself() {
        let code = [0x00, 0x44, 0x32, 0x14, 0xC7, 0x42, 0x54, 0xB6, 0x35, 0xCF];
        let (code, shared) = (written(None, code), written(Some(0x8_9ABC), code));
        assert_eq!(code.reveal(), "0123-4567-89AB-CDEF");
        assert_eq!(shared.reveal(), "H6NW-0123-4567-89AB-CDEF");
        assert!(WrittenCode::parse("h6nw0123456789abcdef").as_ref() == Some(&shared));
        assert_eq!(format!("{:?}", code.code), "InvitationCode(..)");
        for typed in [
            "0123-4567-89AB-CDEF",
            "0123456789abcdef",
            " o i23 4567 89ab cdef\n",
            "Ol23‐4567−89AB–CDEF",
            "０１２３ー４５６７ー８９ＡＢーｃｄｅｆ",
        ] {
            assert!(WrittenCode::parse(typed).as_ref() == Some(&code), "{typed}");
        }
        for wrong in ["", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEFG", "0123-4567-89AB-CDEU", "あ123-4567-89AB-CDEF"]
        {
            assert!(WrittenCode::parse(wrong).is_none(), "{wrong}");
        }
        assert!(WrittenCode::parse(&format!("0123-4567-89AB-CDEF{}", "-".repeat(90))).is_none());
    }

    proptest! {
        #[test]
        fn every_code_is_read_again_and_no_two_are_one(
            one: [u8; 10], other: [u8; 10], share in proptest::option::of(0_u32..1 << 20), typed in "\\PC{0,40}",
        ) {
            let code = written(share, one);
            prop_assert!(WrittenCode::parse(&code.reveal()).as_ref() == Some(&code));
            prop_assert!(WrittenCode::parse(&code.reveal().to_lowercase().replace('-', "")).as_ref() == Some(&code));
            prop_assert_eq!(one == other, code == written(share, other));
            prop_assert_eq!(one == other, code.code.hash() == InvitationCode::of(other).hash());
            let kept = code.share.as_ref().and_then(|share| ShareCode::named(share.as_str()));
            prop_assert_eq!(kept, code.share.clone());
            if let Some(read) = WrittenCode::parse(&typed) {
                prop_assert!(WrittenCode::parse(&read.reveal()).as_ref() == Some(&read));
            }
        }

        #[test]
        fn an_invitation_is_open_for_a_week_until_it_is_used_or_taken_back(
            age in -60i64..1_000_000, used in proptest::option::of(0i64..100), revoked in proptest::option::of(0i64..100),
        ) {
            let made = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
            let at = |seconds| made + TimeDelta::seconds(seconds);
            let invitation = Invitation {
                use_time: used.map(at),
                revoke_time: revoked.map(at),
                ..Invitation::of(Uuid::nil().into(), made)
            };
            let is_open = invitation.state(at(age)) == InvitationState::Open;
            prop_assert_eq!(is_open, used.is_none() && revoked.is_none() && age < 7 * 24 * 3600);
            match invitation.clone().revoked(at(age)) {
                Ok(after) => prop_assert!(after.state(at(age)) != InvitationState::Open && used.is_none()),
                Err(InvitationUsed) => prop_assert!(used.is_some()),
            }
        }
    }
}
