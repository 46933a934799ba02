//! What somebody wrote in the inquiry form, as a message of the conversation (F-11).
//!
//! Its versions come in any order and number; all say the same but for the state, of which the highest version's holds.

use std::fmt;

use kernel::{InquiryId, MessageId};
use serde_json::{Value, json};

/// The `type` of the object an inquiry is kept as. LINE has none of that name, and an inquiry has no message ID of LINE.
pub const TYPE: &str = "inquiry";

/// An inquiry as one of its versions says it.
#[derive(Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// Rises with every change.
    pub version: i64,
    /// The name as it was typed.
    pub name: String,
    /// The text as it was typed.
    pub text: String,
    /// The number of `tsunagi.events.v1.InquiryState`.
    pub state: i32,
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inquiry(version {}, state {})", self.version, self.state)
    }
}

/// What a message becomes when a version is heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// It is written, unread, with this object.
    New(Value),
    /// It is there, and says this now.
    Changed(Value),
    /// It stays as it is.
    Same,
}

/// Our ID of an inquiry's message: every version finds it without a search.
#[must_use]
pub fn message_id(inquiry: InquiryId) -> MessageId {
    MessageId::derived(inquiry.uuid(), TYPE)
}

impl Inquiry {
    /// The object it is kept as. Whoever erases what a message says erases it as a whole.
    #[must_use]
    pub fn object(&self) -> Value {
        json!({ "type": TYPE, "name": self.name, "text": self.text, "state": self.state, "version": self.version })
    }

    /// The inquiry that is kept as `object`; none where that is something else.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        (object.get("type")?.as_str()? == TYPE).then_some(())?;
        let state = i32::try_from(object.get("state")?.as_i64()?).ok()?;
        Some(Self { version: object.get("version")?.as_i64()?, name: text("name")?, text: text("text")?, state })
    }

    /// What its message becomes. `known`: the message's object; the outer none where there is no message, the inner one where
    /// what it said was erased, which no version brings back.
    #[must_use]
    pub fn heard(&self, known: Option<Option<&Value>>) -> Heard {
        match known {
            None => Heard::New(self.object()),
            Some(Some(object)) if Self::of(object).is_some_and(|known| known.version < self.version) => {
                Heard::Changed(self.object())
            }
            Some(_) => Heard::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn version(version: i64, state: i32) -> Inquiry {
        Inquiry { version, name: "山田\u{0}".to_owned(), text: "いつ空いていますか".to_owned(), state }
    }

    fn fold(versions: &[Inquiry]) -> Option<Value> {
        versions.iter().fold(None, |known, said| match said.heard(known.as_ref().map(Some)) {
            Heard::New(object) | Heard::Changed(object) => Some(object),
            Heard::Same => known,
        })
    }

    #[test]
    fn what_was_erased_comes_back_with_no_version() {
        assert_eq!(version(9, 2).heard(Some(None)), Heard::Same);
    }

    #[test]
    fn an_inquiry_comes_back_from_its_object_and_nothing_else_does() {
        let said = version(3, 2);
        assert_eq!(Inquiry::of(&said.object()), Some(said));
        for other in [json!({"type": "text", "text": "x"}), json!({"type": "inquiry"}), json!(null), json!("inquiry")] {
            assert_eq!(Inquiry::of(&other), None);
        }
        assert_eq!(format!("{:?}", version(3, 2)), "Inquiry(version 3, state 2)");
        let id = |number| message_id(InquiryId::from(Uuid::from_u128(number)));
        assert!(id(1) == id(1) && id(1) != id(2));
    }

    proptest! {
        #[test]
        fn any_order_with_repetitions_ends_in_the_highest_versions_state(
            states in prop::collection::vec(1i32..4, 1..5),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let versions: Vec<Inquiry> = (1..).zip(&states).map(|(number, state)| version(number, *state)).collect();
            let mut heard: Vec<Inquiry> = order.iter().map(|index| index.get(&versions).clone()).collect();
            heard.extend(versions.iter().rev().cloned());
            heard.rotate_left(order.len() / 2);
            prop_assert_eq!(fold(&heard), versions.last().map(Inquiry::object));
        }
    }
}
