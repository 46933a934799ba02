//! What becomes of one event.

use chrono::TimeDelta;
use kernel::{AccountId, BodyId, Timestamp};
use ulid::Ulid;

use crate::event::{EVENT_TYPE_FORM, is_event_type};

/// Accounts that may be named.
pub const MOST_ACCOUNTS: usize = 100;
/// Event types that may be named.
pub const MOST_TYPES: usize = 50;
/// For how many days after an event was received every consumer surely knows that it handled it: a day less than consumers
/// remember, for days are counted by calendar.
pub const KNOWN_DAYS: i64 = 13;

/// What a replay is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// What was never handled is handled now.
    Redrive,
    /// What is kept of LINE's events is made anew, and nothing follows from it.
    Rebuild,
}

impl Mode {
    /// The word it is kept as.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Rebuild => "rebuild",
        }
    }

    /// The mode a kept word means.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Redrive, Self::Rebuild].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// Which events somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of these accounts; none: of all.
    pub accounts: Vec<AccountId>,
    /// Only of these LINE types; none: of all.
    pub types: Vec<String>,
    /// Only what occurred then or later.
    pub start: Option<Timestamp>,
    /// Only what occurred before.
    pub end: Option<Timestamp>,
}

/// A filter that cannot be used: the field of the request, and why.
pub type Wrong = (&'static str, &'static str);

impl Filter {
    /// Everything that is wrong with the filter for a replay of this mode; nothing: it can be used.
    ///
    /// A rebuild takes no filter: half a history makes another state than the whole.
    #[must_use]
    pub fn wrongs(&self, mode: Mode) -> Vec<Wrong> {
        const WHOLE: &str = "must be left out: a rebuild takes everything";
        let mut wrongs = Vec::new();
        let mut wrong = |holds: bool, field, why| wrongs.extend(holds.then_some((field, why)));
        if mode == Mode::Rebuild {
            wrong(!self.accounts.is_empty(), "account_ids", WHOLE);
            wrong(!self.types.is_empty(), "event_types", WHOLE);
            wrong(self.start.is_some(), "start_time", WHOLE);
            wrong(self.end.is_some(), "end_time", WHOLE);
            return wrongs;
        }
        wrong(self.accounts.len() > MOST_ACCOUNTS, "account_ids", "must be at most 100");
        wrong(self.types.len() > MOST_TYPES, "event_types", "must be at most 50");
        wrong(!self.types.iter().all(|word| is_event_type(word)), "event_types", EVENT_TYPE_FORM);
        let is_empty = self.start.zip(self.end).is_some_and(|(start, end)| start >= end);
        wrong(is_empty, "end_time", "must be after start_time");
        wrongs
    }

    fn takes(&self, past: &Past) -> bool {
        (self.accounts.is_empty() || self.accounts.contains(&past.account))
            && (self.types.is_empty() || self.types.contains(&past.event_type))
            && self.start.is_none_or(|start| start <= past.occurred_at)
            && self.end.is_none_or(|end| past.occurred_at < end)
    }
}

/// What is left of the body of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Everything.
    Whole,
    /// Something was cut out of it, this event or another.
    Redacted,
    /// Nothing: its time is over.
    Gone,
}

/// An event as the archive knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The account it came to.
    pub account: AccountId,
    /// What it is known by.
    pub event: Ulid,
    /// LINE's `type`.
    pub event_type: String,
    /// When it occurred.
    pub occurred_at: Timestamp,
    /// When its body was received.
    pub received_at: Timestamp,
    /// Its body.
    pub body: BodyId,
    /// Its place in the body, from 0.
    pub place: u16,
    /// How large its body is as it is kept, in bytes.
    pub size: u64,
    /// What is left of the body.
    pub standing: Standing,
}

/// What becomes of an event in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is none of those that were asked for.
    PassedBy,
    /// It was asked for, and nobody can say any more what it was.
    Gone,
    /// It is published once more.
    Published {
        /// Whether nothing may follow from it.
        effects_off: bool,
    },
}

/// What a replay does, decided when it begins to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What for.
    pub mode: Mode,
    /// Which events.
    pub filter: Filter,
    /// Only what was received before: what came later is published by itself.
    pub received_before: Timestamp,
}

impl Rule {
    /// What becomes of an event at `now`.
    ///
    /// In a rebuild nothing may follow from any event. In a redrive an event acts as it was meant to, unless it came so long ago
    /// that consumers may have forgotten that they handled it.
    #[must_use]
    pub fn fate(&self, past: &Past, now: Timestamp) -> Fate {
        if past.received_at >= self.received_before || !self.filter.takes(past) {
            return Fate::PassedBy;
        }
        if past.standing == Standing::Gone {
            return Fate::Gone;
        }
        let may_be_forgotten = now - past.received_at > TimeDelta::days(KNOWN_DAYS);
        Fate::Published { effects_off: self.mode == Mode::Rebuild || may_be_forgotten }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::replay::tests::{at, past, rule};

    #[test]
    fn every_mode_is_found_by_its_word() {
        for mode in [Mode::Redrive, Mode::Rebuild] {
            assert_eq!(Mode::named(mode.as_str()), Some(mode));
        }
        assert_eq!(Mode::named("else"), None);
    }

    #[test]
    fn every_wrong_part_of_a_filter_is_named() {
        let everything = Filter {
            accounts: vec![Uuid::nil().into()],
            types: vec!["message".to_owned()],
            start: Some(at(5)),
            end: Some(at(6)),
        };
        assert_eq!(everything.wrongs(Mode::Redrive), []);
        let fields =
            |filter: &Filter, mode| filter.wrongs(mode).into_iter().map(|(field, _)| field).collect::<Vec<_>>();
        assert_eq!(fields(&everything, Mode::Rebuild), ["account_ids", "event_types", "start_time", "end_time"]);
        assert_eq!(Filter::default().wrongs(Mode::Rebuild), []);
        let wrong = Filter {
            accounts: vec![Uuid::nil().into(); 101],
            types: vec!["x.y".to_owned(); 51],
            start: Some(at(5)),
            end: Some(at(5)),
        };
        assert_eq!(fields(&wrong, Mode::Redrive), ["account_ids", "event_types", "event_types", "end_time"]);
        for word in ["", "a b", "é", &"x".repeat(65)] {
            let filter = Filter { types: vec![word.to_owned()], ..Filter::default() };
            assert_eq!(fields(&filter, Mode::Redrive), ["event_types"], "{word}");
        }
    }

    #[test]
    fn the_ends_of_the_time_asked_for_are_start_and_not_end() {
        let filter = Filter { start: Some(at(10)), end: Some(at(20)), ..Filter::default() };
        let taken = |second| filter.takes(&Past { occurred_at: at(second), ..past(1) });
        assert_eq!([9, 10, 19, 20].map(taken), [false, true, true, false]);
    }

    proptest! {
        #[test]
        fn nothing_ever_follows_from_a_rebuild(past in crate::replay::tests::any_past(), now in 0i64..4_000_000_000) {
            let rule = rule(Mode::Rebuild, Filter::default());
            let fate = rule.fate(&past, at(now));
            prop_assert!(!matches!(fate, Fate::Published { effects_off: false }), "{fate:?}");
        }

        #[test]
        fn nothing_follows_from_what_consumers_may_have_forgotten(
            past in crate::replay::tests::any_past(),
            after in 0i64..40 * 86_400,
        ) {
            let rule = rule(Mode::Redrive, Filter::default());
            let now = past.received_at + TimeDelta::seconds(after);
            match rule.fate(&past, now) {
                Fate::Published { effects_off } => prop_assert_eq!(effects_off, after > 13 * 86_400),
                Fate::Gone => prop_assert_eq!(past.standing, Standing::Gone),
                Fate::PassedBy => prop_assert!(past.received_at >= rule.received_before),
            }
        }

        #[test]
        fn what_was_not_asked_for_is_never_published(past in crate::replay::tests::any_past(), only in 0u128..4) {
            let filter = Filter {
                accounts: vec![Uuid::from_u128(only).into()],
                types: vec!["follow".to_owned()],
                ..Filter::default()
            };
            let asked = past.account.uuid() == Uuid::from_u128(only) && past.event_type == "follow";
            let rule = rule(Mode::Redrive, filter);
            let in_time = past.received_at < rule.received_before;
            prop_assert_eq!(rule.fate(&past, at(0)) != Fate::PassedBy, asked && in_time);
        }
    }
}
