//! What is left of a message after its event, its edits and its unsend, in any order and number.
//!
//! LINE promises no order, edits may overtake each other (the largest timestamp holds), and an unsend may come before its
//! message (<https://developers.line.biz/en/docs/messaging-api/receiving-messages/>). So the state after a set of facts is
//! the same for every order of them, and repeating one changes nothing.

use std::fmt;

use kernel::{MessageId, Timestamp};
use serde_json::Value;

/// What one event says about a message.
#[derive(Clone, PartialEq)]
pub enum Fact {
    /// It was written.
    Written {
        /// When.
        time: Timestamp,
        /// LINE's message object.
        object: Value,
        /// LINE keeps bytes for it that must be fetched.
        kept_by_line: bool,
        /// The message it quotes.
        quotes: Option<MessageId>,
        /// LINE's ID of the member of a group or room who wrote it, where LINE tells it.
        writer: Option<String>,
    },
    /// It was edited.
    Edited {
        /// When.
        time: Timestamp,
        /// The edit's event ID, which decides between edits of the same moment.
        event: String,
        /// LINE's message object.
        object: Value,
        /// The member who wrote it.
        writer: Option<String>,
    },
    /// It was taken back: its content must be nowhere any more.
    Unsent {
        /// When.
        time: Timestamp,
    },
}

impl Fact {
    fn writer(&self) -> Option<&String> {
        match self {
            Self::Written { writer, .. } | Self::Edited { writer, .. } => writer.as_ref(),
            Self::Unsent { .. } => None,
        }
    }
}

impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written { .. } => "Written(..)",
            Self::Edited { .. } => "Edited(..)",
            Self::Unsent { .. } => "Unsent(..)",
        })
    }
}

/// A message as its facts so far make it.
#[derive(Clone, Default, PartialEq)]
pub struct Folded {
    /// When it was written; none while only an edit or the unsend has been heard of.
    pub written: Option<Timestamp>,
    /// The edit that holds: when, and its event's ID.
    pub edited: Option<(Timestamp, String)>,
    /// When it was taken back.
    pub unsent: Option<Timestamp>,
    /// LINE's message object; none once unsent.
    pub object: Option<Value>,
    /// LINE keeps bytes for it; never once unsent.
    pub kept_by_line: bool,
    /// The message it quotes.
    pub quotes: Option<MessageId>,
    /// LINE's ID of the member of a group or room who wrote it, as soon as one of its events tells it.
    pub writer: Option<String>,
}

impl fmt::Debug for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folded(written {:?}, edited {:?}, unsent {:?})", self.written, self.edited, self.unsent)
    }
}

impl Folded {
    /// The message after one more fact.
    #[must_use]
    pub fn with(mut self, fact: &Fact) -> Self {
        self.writer = self.writer.or_else(|| fact.writer().cloned());
        match fact {
            Fact::Written { time, object, kept_by_line, quotes, .. } if self.written.is_none() => {
                self.written = Some(*time);
                self.quotes = *quotes;
                if self.unsent.is_none() {
                    self.kept_by_line = *kept_by_line;
                    if self.edited.is_none() {
                        self.object = Some(object.clone());
                    }
                }
            }
            Fact::Edited { time, event, object, .. } => {
                let edit = (*time, event.clone());
                if self.edited.as_ref().is_none_or(|known| *known < edit) {
                    self.edited = Some(edit);
                    if self.unsent.is_none() {
                        self.object = Some(object.clone());
                    }
                }
            }
            Fact::Unsent { time } => {
                self.unsent = Some(self.unsent.map_or(*time, |known| known.min(*time)));
                self.object = None;
                self.kept_by_line = false;
            }
            Fact::Written { .. } => {}
        }
        self
    }

    /// Whether there is a message to show: something of it was heard, not only that it was taken back.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.written.is_some() || self.edited.is_some()
    }

    /// When it was written, as far as known: while only an edit has been heard of, the edit's time.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.written.or_else(|| self.edited.as_ref().map(|(time, _)| *time))
    }

    /// Whether it counts as unread while nobody has read it.
    #[must_use]
    pub const fn can_be_unread(&self) -> bool {
        self.is_shown() && self.unsent.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn written() -> Fact {
        let object = Value::from("original");
        Fact::Written {
            time: at(0),
            object,
            kept_by_line: true,
            quotes: Some(MessageId::from(uuid::Uuid::nil())),
            writer: None,
        }
    }

    fn edited(seconds: i64) -> Fact {
        // Two edits of one moment differ by their event's ID, and so by their content.
        let event = format!("event {seconds}");
        // LINE may tell who wrote it with one of them alone.
        let writer = (seconds % 2 == 0).then(|| "member".to_owned());
        Fact::Edited { time: at(seconds / 2), event, object: Value::from(seconds), writer }
    }

    fn fold(facts: &[Fact]) -> Folded {
        facts.iter().fold(Folded::default(), Folded::with)
    }

    #[test]
    fn an_unsent_message_has_no_content_whatever_comes_later() {
        let gone = fold(&[written(), Fact::Unsent { time: at(9) }, edited(20), written()]);
        assert_eq!((gone.object, gone.kept_by_line, gone.unsent), (None, false, Some(at(9))));
    }

    #[test]
    fn a_tombstone_alone_shows_nothing_and_stops_the_late_copy() {
        let tombstone = fold(&[Fact::Unsent { time: at(9) }]);
        assert!(!tombstone.is_shown());
        let late = tombstone.with(&written());
        assert!(late.is_shown() && !late.can_be_unread() && late.object.is_none());
    }

    proptest! {
        #[test]
        fn any_shuffle_with_repetitions_ends_in_the_same_message(
            edits in prop::collection::vec(0i64..6, 0..4),
            unsent: bool,
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            shuffle in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
        ) {
            let mut facts = vec![written()];
            facts.extend(edits.iter().map(|&seconds| edited(seconds)));
            if unsent {
                facts.push(Fact::Unsent { time: at(30) });
            }
            let expected = fold(&facts);
            let mut shuffled: Vec<Fact> = facts.clone();
            shuffled.extend(order.iter().map(|index| index.get(&facts).clone()));
            let mut seed = shuffle | 1;
            for place in (1..shuffled.len()).rev() {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let other = usize::try_from(seed >> 33).unwrap() % (place + 1);
                shuffled.swap(place, other);
            }
            prop_assert_eq!(fold(&shuffled), expected);
        }
    }
}
