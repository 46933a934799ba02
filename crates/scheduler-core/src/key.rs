//! The key of a timer: its owner's own word for what is to be done.

use std::fmt;

use chrono::DateTime;
use kernel::{ActivityId, MessageId, ReminderRuleId, Timestamp};

use crate::Unfit;

/// Between the parts of the platform's own keys.
const BETWEEN: char = '/';

/// Names a timer among its owner's, within a tenant: 1 to 200 bytes. For IDs and nothing personal: keys are kept beside the
/// tenant's other data, yet read by the worker of all tenants. `@` and white space are refused, and `Debug` shows none of it.
/// Ordered by its bytes, as the table is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The longest key, in bytes.
    pub const LONGEST: usize = 200;

    /// Reads a key a program gives, or one that was kept.
    ///
    /// # Errors
    /// When it is empty, longer than 200 bytes, or holds white space, a control character or `@`.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        if text.is_empty() {
            return Err(Unfit("is required"));
        }
        if text.len() > Self::LONGEST {
            return Err(Unfit("is longer than 200 bytes"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '@') {
            return Err(Unfit("holds white space, a control character or '@'"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as it is kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The least text that sorts behind every key that begins with `prefix`, by bytes, as the table sorts: keys that begin with it are
    /// those from `prefix` on and before this.
    #[must_use]
    pub fn behind(prefix: &str) -> String {
        let mut begin: Vec<char> = prefix.chars().collect();
        while let Some(last) = begin.pop() {
            if let Some(next) = (last..=char::MAX).nth(1) {
                begin.push(next);
                return begin.into_iter().collect();
            }
        }
        // Longer than any key, of the last character there is.
        char::MAX.to_string().repeat(Self::LONGEST / char::MAX.len_utf8() + 1)
    }

    /// The key of a message that goes at a chosen time.
    #[must_use]
    pub fn of_message(message: MessageId) -> Self {
        Self(message.to_string())
    }

    /// The message of such a key.
    #[must_use]
    pub fn message(&self) -> Option<MessageId> {
        self.0.parse().ok()
    }

    /// The key of a reminder by one rule of a reservation that begins at `start`. A reservation that moves is reminded of by another
    /// key, so whoever hears of the old one sees that it is not meant any more.
    #[must_use]
    pub fn of_reminder(activity: ActivityId, rule: ReminderRuleId, start: Timestamp) -> Self {
        Self(format!("{activity}{BETWEEN}{rule}{BETWEEN}{}", start.timestamp_micros()))
    }

    /// The activity, the rule and the start of such a key.
    #[must_use]
    pub fn reminder(&self) -> Option<(ActivityId, ReminderRuleId, Timestamp)> {
        let mut parts = self.0.split(BETWEEN);
        let activity = parts.next()?.parse().ok()?;
        let rule = parts.next()?.parse().ok()?;
        let start = DateTime::from_timestamp_micros(parts.next()?.parse().ok()?)?;
        parts.next().is_none().then_some((activity, rule, start))
    }

    /// What the keys of all reminders of an activity begin with, and no others'.
    #[must_use]
    pub fn prefix_of_reminders(activity: ActivityId) -> String {
        format!("{activity}{BETWEEN}")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    #[test]
    fn a_key_is_bounded_and_holds_no_address_and_no_sentence() {
        for text in
            ["", "taro@example.com", "two words", "a\u{3000}b", "a\u{0}b", "a\nb", &"x".repeat(201), &"鍵".repeat(67)]
        {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
        assert!(Key::parse(&"x".repeat(200)).is_ok());
        assert_eq!(format!("{:?}", Key::parse("R-77").unwrap()), "Key(..)");
    }

    proptest! {
        #[test]
        fn the_platforms_own_keys_say_what_they_are_of(one: u128, other: u128, start in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let (message, activity) = (Uuid::from_u128(one).into(), Uuid::from_u128(one).into());
            prop_assert_eq!(Key::of_message(message).message(), Some(message));
            let (rule, start) = (Uuid::from_u128(other).into(), DateTime::from_timestamp_micros(start).unwrap());
            let key = Key::of_reminder(activity, rule, start);
            prop_assert_eq!(key.reminder(), Some((activity, rule, start)));
            prop_assert_eq!((key.message(), Key::of_message(message).reminder()), (None, None));
            prop_assert!(key.as_str().starts_with(&Key::prefix_of_reminders(activity)));
            prop_assert_eq!(Key::parse(key.as_str()), Ok(key));
        }

        #[test]
        fn the_keys_with_a_prefix_are_those_between_it_and_what_is_behind(
            prefix in "[ab~\u{d7ff}\u{e000}\u{10ffff}]{0,4}",
            key in "[ab~\u{d7ff}\u{e000}\u{10ffff}]{1,6}",
        ) {
            let between = key.as_str() >= prefix.as_str() && key < Key::behind(&prefix);
            prop_assert_eq!(between, key.starts_with(&prefix));
        }

        #[test]
        fn any_text_is_a_key_or_refused(text in ".{0,80}") {
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(key.as_str(), &text);
                let _ = (key.message(), key.reminder());
            }
        }
    }
}
