//! Whose a timer is: one of the platform's own rooms, or a program that asked for it.

use crate::Unfit;

/// Words that are the platform's: owners there are, and those that what is planned beside them will need.
const RESERVED: [&str; 7] = ["message", "reminder", "digest", "schedule", "sequence", "trigger", "campaign"];
/// Longest name of a caller, in bytes.
const LONGEST: usize = 40;

/// Who hears of a timer. Ordered by kind, then by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// A message that goes at a chosen time (F-31).
    Message,
    /// A reminder of a reservation (F-107).
    Reminder,
    /// A program of the tenant's, by the name it gave itself.
    Caller(CallerName),
}

/// The name under which a program keeps its timers apart from others': 1 to 40 lowercase letters, digits, `-`, `_` and `.`, a
/// letter first; none of the platform's own words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerName(String);

/// Why a program's timers cannot have this owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnerRefused {
    /// The word is one of the platform's.
    #[error("the owner is one of the platform's own")]
    Reserved,
    /// It is no name.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

impl CallerName {
    /// Reads the name a program gives as its own.
    ///
    /// # Errors
    /// When it is one of the platform's words, or not a name.
    pub fn parse(text: &str) -> Result<Self, OwnerRefused> {
        if text.is_empty() {
            return Err(Unfit("is required").into());
        }
        if text.len() > LONGEST {
            return Err(Unfit("is longer than 40 bytes").into());
        }
        let fits = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.bytes().all(fits) {
            return Err(Unfit("is not made of lowercase letters, digits, '-', '_' and '.', a letter first").into());
        }
        if RESERVED.contains(&text) {
            return Err(OwnerRefused::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl Owner {
    /// The word it is kept and told as.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Message => "message",
            Self::Reminder => "reminder",
            Self::Caller(name) => &name.0,
        }
    }

    /// The platform's words that no owner of this version has: timers of owners to come, which another version keeps and says.
    pub fn unspoken() -> impl Iterator<Item = &'static str> {
        RESERVED.into_iter().filter(|word| Self::named(word).is_none())
    }

    /// The owner that was kept as this word. A word that no caller could have given, and that is none of the owners there are, is
    /// nobody's.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "message" => Some(Self::Message),
            "reminder" => Some(Self::Reminder),
            other => CallerName::parse(other).ok().map(Self::Caller),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_platforms_own_words_are_refused_from_outside() {
        for word in RESERVED {
            assert_eq!(CallerName::parse(word), Err(OwnerRefused::Reserved), "{word}");
        }
        for owner in [Owner::Message, Owner::Reminder] {
            assert!(RESERVED.contains(&owner.as_str()));
            assert_eq!(Owner::named(owner.as_str()), Some(owner));
        }
        assert_eq!(Owner::named("campaign"), None);
        assert_eq!(Owner::unspoken().count(), RESERVED.len() - 2);
        assert!(
            ["", "Booking", "9to5", "a b", "予約", &"a".repeat(41)].iter().all(|text| CallerName::parse(text).is_err())
        );
    }

    proptest! {
        #[test]
        fn a_callers_name_is_found_again(text in "[a-z0-9._-]{0,42}") {
            if let Ok(name) = CallerName::parse(&text) {
                let owner = Owner::Caller(name);
                prop_assert_eq!(owner.as_str(), &text);
                prop_assert_eq!(Owner::named(&text), Some(owner));
            }
        }
    }
}
