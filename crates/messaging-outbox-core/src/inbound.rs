//! What a webhook event means for a conversation.

use std::collections::HashSet;

use kernel::{AccountId, MessageId, Timestamp};
use line_types::id::MessageId as LineMessageId;
use line_types::webhook::{Event, EventKind, MessageContent, Mode, Source};
use serde_json::Value;

use crate::chat::Chat;
use crate::fold::Fact;

/// What an event means for one conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// The conversation's other side.
    pub chat: Chat,
    /// What happened to which message; none where the event is about no message.
    pub about: Option<About>,
    /// Whether another module channel holds the chat (D-11).
    pub standby: bool,
    /// The token to answer with; never one of a chat in standby.
    pub reply_token: Option<String>,
}

/// A message an event is about.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// Our ID of it.
    pub message: MessageId,
    /// LINE's ID of it.
    pub line_message: LineMessageId,
    /// What happened to it.
    pub fact: Fact,
}

/// Where an event is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this chat.
    In(Chat),
    /// In this chat, and the message with it, which an edit that came first had put into another.
    Moved {
        /// The other.
        from: Chat,
        /// This one.
        to: Chat,
    },
    /// In none: a message that nobody has heard of was taken back by somebody LINE does not name.
    Nowhere,
}

impl Inbound {
    /// Where the event is kept, given the chat that holds its message. LINE names a sender by consent, which may be given or
    /// taken between a message and its edit or unsend, so that they name different chats: the one the message itself came
    /// from holds them all, whichever is heard first.
    #[must_use]
    pub fn place(&self, home: Option<Chat>) -> Place {
        let fact = self.about.as_ref().map(|about| &about.fact);
        match (fact, home) {
            (Some(Fact::Written { .. }), Some(from)) if from != self.chat => {
                Place::Moved { from, to: self.chat.clone() }
            }
            (Some(Fact::Edited { .. } | Fact::Unsent { .. }), Some(home)) => Place::In(home),
            (Some(Fact::Unsent { .. }), None) if self.chat.recipient().is_none() => Place::Nowhere,
            _ => Place::In(self.chat.clone()),
        }
    }
}

impl Inbound {
    /// Whether it only adds to its chat: a message that is not held yet, or something that is about no message.
    fn is_arrival(&self, is_held: impl Fn(MessageId) -> bool) -> bool {
        let about = self.about.as_ref();
        about.is_none_or(|about| !matches!(about.fact, Fact::Unsent { .. }) && !is_held(about.message))
    }
}

/// How many of the first `events` can be kept at once: arrivals, each in another conversation and about another message, so
/// that the outcome is as if they were kept in this order. 0 where the first one must be kept alone.
pub fn at_once<'a>(
    events: impl IntoIterator<Item = (AccountId, &'a Inbound)>,
    is_held: impl Fn(MessageId) -> bool,
) -> usize {
    let (mut conversations, mut messages) = (HashSet::new(), HashSet::new());
    let is_apart = |(account, event): &(AccountId, &'a Inbound)| {
        event.is_arrival(&is_held)
            && conversations.insert(event.chat.conversation(*account))
            && event.about.as_ref().is_none_or(|about| messages.insert(about.message))
    };
    events.into_iter().take_while(is_apart).count()
}

/// Our ID of a message a LINE user wrote: it follows from the account and LINE's ID, so that every event about the message
/// finds it without a search.
#[must_use]
pub fn message_id(account: AccountId, line_message: &LineMessageId) -> MessageId {
    MessageId::derived(account.uuid(), line_message.as_str())
}

/// Reads what `event`, which came to `account` with the bus's ID `event_id`, means for a conversation; nothing where it
/// belongs to none (a failed account link, a delivery, a module event, a friend's event LINE names nobody in).
#[must_use]
pub fn read(account: AccountId, event_id: &str, occur_time: Timestamp, event: &Event) -> Option<Inbound> {
    let standby = event.mode == Mode::Standby;
    let original = |content: &MessageContent| Fact::Written {
        time: occur_time,
        object: object(event),
        kept_by_line: content.content.is_kept_by_line(),
        quotes: content.quoted_message_id.as_ref().map(|quoted| message_id(account, quoted)),
        writer: writer(event),
    };
    let (line_message, fact) = match &event.kind {
        EventKind::Message(content) => (Some(&content.id), Some(original(content))),
        EventKind::MessageEdited(content) => (
            Some(&content.id),
            Some(Fact::Edited {
                time: occur_time,
                event: event_id.to_owned(),
                object: object(event),
                writer: writer(event),
            }),
        ),
        EventKind::Unsend(message) => (Some(message), Some(Fact::Unsent { time: occur_time })),
        _ => (None, None),
    };
    let chat = match line_message {
        Some(message) => Chat::of(event.source.as_ref(), message),
        None => Chat::named(event.source.as_ref())?,
    };
    let about = line_message.zip(fact).map(|(line_message, fact)| About {
        message: message_id(account, line_message),
        line_message: line_message.clone(),
        fact,
    });
    Some(Inbound { chat, about, standby, reply_token: event.reply_token.clone().filter(|_| !standby) })
}

/// The member of a group or room who acted, where LINE tells.
fn writer(event: &Event) -> Option<String> {
    match event.source.as_ref()? {
        Source::Group { user_id, .. } | Source::Room { user_id, .. } => Some(user_id.as_ref()?.as_str().to_owned()),
        Source::User { .. } | Source::Other { .. } => None,
    }
}

/// LINE's own message object, whole, also of types and properties this version does not know.
fn object(event: &Event) -> Value {
    event.raw.get("message").cloned().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";

    fn read_json(json: &str) -> Option<Inbound> {
        let account = AccountId::from(Uuid::from_u128(7));
        read(account, "event", Timestamp::UNIX_EPOCH, &Event::parse(json).unwrap())
    }

    fn event(kind: &str, mode: &str, rest: &str) -> Option<Inbound> {
        read_json(&format!(
            r#"{{"type":"{kind}","mode":"{mode}","timestamp":1,"replyToken":"t","source":{{"type":"user","userId":"{USER}"}}{rest}}}"#
        ))
    }

    #[test]
    fn a_message_its_edit_and_its_unsend_are_about_the_same_message() {
        let written = event("message", "active", r#","message":{"id":"12","type":"text","text":"hello"}"#).unwrap();
        let edited = event("messageEdited", "active", r#","message":{"id":"12","type":"text","text":"hi"}"#).unwrap();
        let unsent = event("unsend", "active", r#","unsend":{"messageId":"12"}"#).unwrap();
        let ids: Vec<_> = [&written, &edited, &unsent].map(|i| i.about.as_ref().unwrap().message).to_vec();
        assert!(ids.iter().all(|id| *id == ids[0]));
        assert_eq!(written.reply_token.as_deref(), Some("t"));
        assert_eq!(written.chat.recipient(), Some(USER));
    }

    #[test]
    fn a_message_is_kept_where_it_came_from_whichever_of_its_events_comes_first_and_names_its_sender() {
        let of = |kind: &str, named: bool| {
            let source =
                if named { format!(r#"{{"type":"user","userId":"{USER}"}}"#) } else { r#"{"type":"user"}"#.into() };
            let rest = if kind == "unsend" {
                r#""unsend":{"messageId":"12"}"#
            } else {
                r#""message":{"id":"12","type":"text","text":"x"}"#
            };
            read_json(&format!(r#"{{"type":"{kind}","mode":"active","timestamp":1,"source":{source},{rest}}}"#))
                .unwrap()
        };
        for named in [[true, false, false], [false, true, true], [true, false, true], [false, false, true]] {
            let events = [of("message", named[0]), of("messageEdited", named[1]), of("unsend", named[2])];
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let mut home = None;
                for event in order.map(|place| &events[place]) {
                    let place = event.place(home.clone());
                    match (&place, &home) {
                        (Place::In(kept) | Place::Moved { from: kept, .. }, Some(home)) => assert_eq!(kept, home),
                        (Place::Moved { .. }, None) => panic!("moved from nowhere"),
                        (Place::In(_) | Place::Nowhere, _) => {}
                    }
                    home = match place {
                        Place::In(chat) | Place::Moved { to: chat, .. }
                            if event.about.as_ref().unwrap().fact != (Fact::Unsent { time: Timestamp::UNIX_EPOCH }) =>
                        {
                            Some(chat)
                        }
                        Place::In(_) | Place::Moved { .. } | Place::Nowhere => home,
                    };
                }
                assert_eq!(home.as_ref(), Some(&events[0].chat), "{named:?} {order:?}");
            }
        }
        assert_eq!(of("unsend", false).place(None), Place::Nowhere);
    }

    #[test]
    fn who_wrote_is_told_of_groups_and_rooms_alone() {
        let of = |source: &str| {
            let read = read_json(&format!(
                r#"{{"type":"message","mode":"active","timestamp":1,"source":{source},"message":{{"id":"5","type":"text","text":"x"}}}}"#
            ));
            let Fact::Written { writer, .. } = read.unwrap().about.unwrap().fact else { panic!("not written") };
            writer
        };
        let group = "C4af4980629aaaabbbbccccddddeeee00";
        assert_eq!(of(&format!(r#"{{"type":"group","groupId":"{group}","userId":"{USER}"}}"#)).as_deref(), Some(USER));
        assert_eq!(of(&format!(r#"{{"type":"group","groupId":"{group}"}}"#)), None);
        assert_eq!(of(&format!(r#"{{"type":"user","userId":"{USER}"}}"#)), None);
    }

    #[test]
    fn a_type_nobody_knows_is_kept_whole() {
        let kept = event("message", "active", r#","message":{"id":"12","type":"hologram","depth":3}"#).unwrap();
        let Fact::Written { object, kept_by_line, .. } = kept.about.unwrap().fact else { panic!("not written") };
        assert_eq!((object["depth"].as_i64(), kept_by_line), (Some(3), false));
    }

    #[test]
    fn a_chat_in_standby_is_recorded_and_gives_no_reply_token() {
        let standby = event("message", "standby", r#","message":{"id":"12","type":"text","text":"hello"}"#).unwrap();
        assert!(standby.standby && standby.about.is_some() && standby.reply_token.is_none());
    }

    #[test]
    fn an_event_without_a_named_sender_is_no_error() {
        assert_eq!(read_json(r#"{"type":"accountLink","timestamp":1,"link":{"result":"failed","nonce":"n"}}"#), None);
        assert_eq!(read_json(r#"{"type":"follow","timestamp":1,"source":{"type":"user"}}"#), None);
        let message = read_json(
            r#"{"type":"message","timestamp":1,"source":{"type":"user"},"message":{"id":"5","type":"text","text":"x"}}"#,
        );
        assert_eq!(message.unwrap().chat.recipient(), None);
    }

    #[test]
    fn a_postback_touches_the_conversation_and_brings_a_token() {
        let postback = event("postback", "active", r#","postback":{"data":"x"}"#).unwrap();
        assert_eq!((postback.about, postback.reply_token.as_deref()), (None, Some("t")));
    }

    proptest! {
        #[test]
        fn no_event_breaks_the_reading(kind in "[a-zA-Z]{0,12}", id in "[0-9a-z]{0,5}", text in ".{0,20}") {
            let message = serde_json::json!({"type": kind, "id": id, "text": text});
            let raw = serde_json::json!({"type": "message", "source": {"type": kind}, "message": message}).to_string();
            let _ = read_json(&raw);
        }
    }

    #[test]
    fn only_arrivals_of_different_conversations_are_kept_at_once() {
        let account = AccountId::from(Uuid::from_u128(7));
        let of = |kind: &str, user: u8, message: u32| {
            let rest = match kind {
                "unsend" => format!(r#","unsend":{{"messageId":"{message}"}}"#),
                "postback" => r#","postback":{"data":"x"}"#.to_owned(),
                _ => format!(r#","message":{{"id":"{message}","type":"text","text":"x"}}"#),
            };
            read_json(&format!(
                r#"{{"type":"{kind}","mode":"active","timestamp":1,"source":{{"type":"user","userId":"U{user:032x}"}}{rest}}}"#
            ))
            .unwrap()
        };
        let count = |events: &[Inbound], held: u32| {
            let held = message_id(account, &LineMessageId::parse(&held.to_string()).unwrap());
            at_once(events.iter().map(|event| (account, event)), |message| message == held)
        };
        let events = [of("message", 1, 11), of("messageEdited", 2, 12), of("postback", 3, 0), of("message", 1, 14)];
        assert_eq!(count(&events, 0), 3, "the fourth is of the first one's conversation");
        assert_eq!(count(&events, 12), 1, "the second changes a message that is there");
        assert_eq!(count(&events, 11), 0);
        assert_eq!(count(&[of("message", 1, 11), of("message", 2, 11)], 0), 1, "about the same message");
        assert_eq!(count(&[of("unsend", 1, 11)], 0), 0);
        assert_eq!(count(&[], 0), 0);
    }
}
