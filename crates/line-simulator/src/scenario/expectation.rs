//! What a scenario expects of the bot it is played to.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::state::books::{Sent, Webhook};
use crate::state::friendship::Fate;
use crate::state::id::{ChannelId, ChatId, PersonId, UserId};

/// One expectation.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) what: Expected,
    /// In the machine's time.
    pub(crate) within: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// The account sends somebody a message that met no expectation before.
    Message { account: String, to: Recipient, words: Words },
    /// Every webhook so far was answered with 2xx.
    WebhooksAnswered,
}

#[derive(Clone, Debug)]
pub(crate) enum Recipient {
    Person(PersonId),
    Chat(String),
}

/// What a message must say: its text, or the alternative text of what is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    Any,
    Exactly(String),
    Containing(String),
}

impl Words {
    fn hold(&self, message: &Value) -> bool {
        let said = message.get("text").or_else(|| message.get("altText")).and_then(Value::as_str);
        match self {
            Self::Any => true,
            Self::Exactly(text) => said == Some(text),
            Self::Containing(part) => said.is_some_and(|said| said.contains(part)),
        }
    }
}

/// Messages that met an expectation, by the number of the send and the message's place in it, for one chat.
pub(super) type Met = BTreeSet<(u64, usize, ChatId)>;

/// The oldest message to the chat that says it and met nothing before; it has met this one now.
pub(super) fn meet(sent: &[Sent], account: &ChannelId, chat: &ChatId, words: &Words, met: &mut Met) -> bool {
    let user = UserId::from(chat.as_str());
    let to_chat =
        sent.iter().filter(|sent| sent.account == *account && sent.fates.contains(&(user.clone(), Fate::Delivered)));
    let messages =
        to_chat.flat_map(|sent| sent.messages.iter().enumerate().map(|(at, message)| (sent.number, at, message)));
    let found = messages
        .filter(|(_, _, message)| words.hold(message))
        .map(|(number, at, _)| (number, at, chat.clone()))
        .find(|place| !met.contains(place));
    found.is_some_and(|place| met.insert(place))
}

/// The webhooks that nobody answered with 2xx.
pub(super) fn unanswered(webhooks: &[Webhook]) -> usize {
    webhooks.iter().filter(|webhook| !webhook.acknowledged).count()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::state::sending::Method;

    fn sent(number: u64, to: &str, texts: &[&str]) -> Sent {
        Sent {
            number,
            at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            account: ChannelId::from("1"),
            method: Method::Push,
            request_id: String::new(),
            retry_key: None,
            reply_token: None,
            chats: vec![ChatId::from(to)],
            messages: texts.iter().map(|text| json!({ "type": "text", "text": text })).collect(),
            message_ids: Vec::new(),
            fates: vec![(UserId::from(to), Fate::Delivered)],
            counted: 1,
        }
    }

    #[test]
    fn a_message_meets_one_expectation_of_its_own_chat() {
        let books = [sent(1, "Ua", &["hello", "hello"]), sent(2, "Ub", &["good bye"])];
        let mut met = Met::new();
        let mut meets = |account: &str, to: &str, words: Words| {
            meet(&books, &ChannelId::from(account), &ChatId::from(to), &words, &mut met)
        };
        assert!(meets("1", "Ua", Words::Exactly("hello".into())));
        assert!(meets("1", "Ua", Words::Any));
        assert!(!meets("1", "Ua", Words::Any), "both have met one each");
        assert!(!meets("1", "Ub", Words::Exactly("good".into())));
        assert!(!meets("2", "Ub", Words::Any), "another account's");
        assert!(meets("1", "Ub", Words::Containing("good".into())));
    }

    #[test]
    fn a_card_is_known_by_its_alternative_text_and_one_that_was_not_delivered_by_nothing() {
        let mut card = sent(1, "Ua", &[]);
        card.messages = vec![json!({ "type": "flex", "altText": "a card" })];
        let meets = |card: &Sent| {
            let books = std::slice::from_ref(card);
            meet(books, &ChannelId::from("1"), &ChatId::from("Ua"), &Words::Exactly("a card".into()), &mut Met::new())
        };
        assert!(meets(&card));
        card.fates[0].1 = Fate::Blocked;
        assert!(!meets(&card));
    }
}
