//! Conversations and messages as the wire has them.

use chassis::auth::Caller;
use contracts::access_proto::v1::Right;
use contracts::messaging::v1 as wire;
use contracts::timestamp;
use kernel::MessageId;
use messaging_outbox_core::inquiry::Inquiry;
use messaging_outbox_core::media::ContentState;
use messaging_outbox_core::route::SendMethod;
use messaging_outbox_core::schedule::Schedule;
use messaging_outbox_core::state::MessageState;
use prost_types::value::Kind;
use serde_json::Value;

use crate::postgres::conversation::Conversation;
use crate::postgres::message::Message;

/// Whether the caller may see LINE's user IDs (D-8).
pub(super) fn sees_line_user_ids(caller: &Caller) -> bool {
    caller.has(Right::LineUserIdRead)
}

pub(super) fn conversation(of: &Conversation) -> wire::Conversation {
    let barrier = of.may_send().err();
    wire::Conversation {
        conversation_id: of.id.to_string(),
        account_id: of.account.to_string(),
        kind: i32::from(of.chat.kind().code()),
        display_name: of.display_name.clone(),
        can_send: barrier.is_none(),
        cannot_send_reason: barrier.map(|barrier| barrier.reason().to_owned()).unwrap_or_default(),
        unread_count: of.unread_count,
        last_message_id: of.last_message.map(|id| id.to_string()).unwrap_or_default(),
        last_message_time: of.last_message_time.map(timestamp),
        reply_until_time: of.reply_until.map(timestamp),
        version: of.version,
        customer_id: of.customer.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default(),
        customer_display_name: of.customer.as_ref().map(|(_, name)| name.clone()).unwrap_or_default(),
        put_off_time: of.put_off.map(timestamp),
        organization_id: of.organization.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// `sees_line_user_ids`: the caller may see them (D-8).
pub(super) fn message(of: &Message, sees_line_user_ids: bool) -> wire::Message {
    let staff = of.staff.as_ref();
    let sender = of.outbound.then(|| wire::Sender {
        staff_id: staff.map(|(id, _)| id.to_string()).unwrap_or_default(),
        staff_display_name: staff.map(|(_, name)| name.clone()).unwrap_or_default(),
        principal_id: of.principal.map(|id| id.to_string()).unwrap_or_default(),
    });
    wire::Message {
        message_id: of.id.to_string(),
        conversation_id: of.conversation.to_string(),
        direction: if of.outbound { wire::Direction::Outbound } else { wire::Direction::Inbound }.into(),
        content: content(of),
        state: i32::from(of.state.code()),
        message_time: Some(timestamp(of.time)),
        line_message_id: of.line_message.clone(),
        sender,
        send_method: of.method.map_or(0, |method| i32::from(SendMethod::code(method))),
        failure: of.failure.as_ref().map(|failure| wire::SendFailure {
            kind: i32::from(failure.kind),
            line_message: failure.line_message.clone(),
            line_details: failure.line_details.clone(),
            line_request_id: failure.line_request.clone(),
            http_status: failure.http_status,
            attempts: failure.attempts,
        }),
        edited: of.edited,
        unsend_time: of.unsent.map(timestamp),
        accept_time: of.accepted.map(timestamp),
        read: !of.outbound && !of.unread && of.state != MessageState::Unsent,
        quoted_message_id: of.quotes.map(|id| id.to_string()).unwrap_or_default(),
        writer: of.writer.as_ref().map(|writer| wire::Writer {
            friend_id: writer.id.to_string(),
            line_user_id: if sees_line_user_ids { writer.line_user_id.clone() } else { String::new() },
            display_name: writer.display_name.clone(),
        }),
        settle_note: of.settle_note.clone(),
        schedule: of.schedule.map(schedule),
    }
}

fn schedule(of: Schedule) -> wire::Schedule {
    wire::Schedule {
        send_time: Some(timestamp(of.send_time)),
        late_for: prost_types::Duration::try_from(of.late_for).ok(),
        etag: etag(of),
    }
}

/// The version of a schedule, in a form callers do not count on (AIP-154, <https://google.aip.dev/154>).
pub(super) fn etag(of: Schedule) -> String {
    format!("\"{:x}\"", of.generation)
}

/// How deep LINE's own objects are shown. A level costs protobuf three, and its readers refuse a message, and with it the page it
/// stands on, that nests deeper than 100.
const SHOWN_DEEP: usize = 30;
/// The longest duration protobuf can say, in milliseconds: about 10,000 years.
const LONGEST: i64 = 315_576_000_000_000;

fn content(of: &Message) -> Option<wire::MessageContent> {
    use wire::message_content::Kind as Content;
    let object = of.object.as_ref()?;
    // LINE's messages have an ID of LINE; an inquiry has none.
    if let Some(inquiry) = Inquiry::of(object).filter(|_| !of.outbound && of.line_message.is_empty()) {
        let Inquiry { name, text, state, .. } = inquiry;
        return Some(wire::MessageContent { kind: Some(Content::Inquiry(wire::InquiryContent { name, text, state })) });
    }
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| object.get(name).and_then(Value::as_f64).unwrap_or_default();
    let media = |kind| {
        if of.outbound { line_object(object) } else { Content::Media(self::media(of, object, kind)) }
    };
    let kind = match object.get("type").and_then(Value::as_str).unwrap_or_default() {
        "text" => Content::Text(wire::TextContent {
            text: text("text"),
            quote_message_id: of.quotes.filter(|_| of.outbound).as_ref().map(MessageId::to_string).unwrap_or_default(),
        }),
        "sticker" => Content::Sticker(wire::StickerContent {
            package_id: text("packageId"),
            sticker_id: text("stickerId"),
            keywords: texts(object.get("keywords")),
        }),
        "location" => Content::Location(wire::LocationContent {
            title: text("title"),
            address: text("address"),
            latitude: number("latitude"),
            longitude: number("longitude"),
        }),
        "image" => media(wire::MediaKind::Image),
        "video" => media(wire::MediaKind::Video),
        "audio" => media(wire::MediaKind::Audio),
        "file" => media(wire::MediaKind::File),
        _ => line_object(object),
    };
    Some(wire::MessageContent { kind: Some(kind) })
}

fn media(of: &Message, object: &Value, kind: wire::MediaKind) -> wire::MediaContent {
    let told = |name: &str| object.get(name).and_then(Value::as_i64);
    let (state, content_type, size) = match &of.content {
        Some((state, content_type, size)) => (*state, content_type.clone(), *size),
        None => (ContentState::External, String::new(), 0),
    };
    wire::MediaContent {
        kind: kind.into(),
        file_name: object.get("fileName").and_then(Value::as_str).unwrap_or_default().to_owned(),
        size: if size > 0 { size } else { told("fileSize").unwrap_or(0) },
        duration: told("duration").filter(|ms| (0..=LONGEST).contains(ms)).map(|ms| prost_types::Duration {
            seconds: ms / 1000,
            nanos: i32::try_from(ms % 1000).unwrap_or(0) * 1_000_000,
        }),
        content_state: i32::from(state.code()),
        content_type,
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn line_object(object: &Value) -> wire::message_content::Kind {
    wire::message_content::Kind::LineObject(match to_struct(object, SHOWN_DEEP).kind {
        Some(Kind::StructValue(object)) => object,
        _ => prost_types::Struct::default(),
    })
}

/// JSON as protobuf writes it; what is nested deeper than `depth` as a text of its JSON.
fn to_struct(value: &Value, depth: usize) -> prost_types::Value {
    let deeper = |value| to_struct(value, depth - 1);
    let kind = match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => Kind::StringValue(value.to_string()),
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(prost_types::ListValue { values: values.iter().map(deeper).collect() }),
        Value::Object(fields) => Kind::StructValue(prost_types::Struct {
            fields: fields.iter().map(|(name, value)| (name.clone(), deeper(value))).collect(),
        }),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A struct as JSON, unless it nests deeper than `depth` or holds a number that JSON cannot say: why not. Whole numbers become
/// integers, as LINE expects.
pub(super) fn from_struct(object: &prost_types::Struct, depth: usize) -> Result<Value, &'static str> {
    let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
    let field = |(name, value): (&String, &prost_types::Value)| Ok((name.clone(), from_value(value, depth)?));
    object.fields.iter().map(field).collect::<Result<serde_json::Map<_, _>, _>>().map(Value::Object)
}

const TOO_DEEP: &str = "is nested too deeply";

fn from_value(value: &prost_types::Value, depth: usize) -> Result<Value, &'static str> {
    Ok(match value.kind.as_ref() {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(number)) => from_number(*number).ok_or("holds what is not a number as a number")?,
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::ListValue(list)) => {
            let depth = depth.checked_sub(1).ok_or(TOO_DEEP)?;
            Value::Array(list.values.iter().map(|value| from_value(value, depth)).collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(object)) => from_struct(object, depth)?,
    })
}

fn from_number(number: f64) -> Option<Value> {
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < WHOLE {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        let whole = number as i64;
        return Some(Value::from(whole));
    }
    number.is_finite().then(|| Value::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::message::Writer;
    use kernel::{AccountId, ConversationId, FriendId, Timestamp};
    use prost::Message as _;
    use serde_json::json;
    use uuid::Uuid;
    use wire::message_content::Kind as Content;

    fn received(object: Option<Value>) -> Message {
        let id = Uuid::from_u128(7);
        Message {
            id: MessageId::from(id),
            conversation: ConversationId::from(id),
            account: AccountId::from(id),
            class: 0,
            outbound: false,
            state: MessageState::Received,
            time: Timestamp::UNIX_EPOCH,
            unread: true,
            method: None,
            edited: false,
            unsent: None,
            accepted: None,
            staff: None,
            principal: None,
            quotes: None,
            writer: Some(Writer {
                id: FriendId::from(id),
                line_user_id: "U4af4980629aaaabbbbccccddddeeee00".to_owned(),
                display_name: "Hanako".to_owned(),
            }),
            line_message: String::new(),
            quote_token: None,
            object,
            failure: None,
            settle_note: String::new(),
            content: None,
            schedule: None,
        }
    }

    /// One message does not make the page it stands on unreadable, whatever LINE says in it.
    #[test]
    fn every_message_can_be_read_back() {
        let nested = |depth: u32, every: u32| {
            (0..depth).fold(Value::from(1), |inner, level| match level % every {
                0 => json!([inner]),
                _ => json!({ "x": inner }),
            })
        };
        let deep =
            (0..120).flat_map(|depth| [1, 2, 200].map(|every| json!({ "type": "?", "x": nested(depth, every) })));
        let durations = [i64::MIN, -1, 0, 60_000, 315_576_000_000_000, 315_576_000_000_001, i64::MAX];
        let long = durations.map(|duration| json!({ "type": "audio", "duration": duration }));
        for object in deep.chain(long) {
            let page = wire::ListMessagesResponse {
                messages: vec![message(&received(Some(object)), false)],
                next_page_token: String::new(),
            };
            let read = wire::ListMessagesResponse::decode(page.encode_to_vec().as_slice());
            assert_eq!(read.as_ref(), Ok(&page));
            let content = page.messages[0].content.clone().and_then(|content| content.kind);
            if let Some(Content::Media(wire::MediaContent { duration: Some(told), .. })) = content {
                assert!((0..=315_576_000_000).contains(&told.seconds), "{told:?}");
            }
        }
    }

    #[test]
    fn what_is_nested_too_deep_to_show_is_shown_as_text() {
        let nested = |depth| (0..depth).fold(Value::from(1), |inner, _| json!({ "x": inner }));
        let of = |depth| {
            let Content::LineObject(shown) = line_object(&nested(depth)) else { panic!("not an object") };
            from_struct(&shown, 200).unwrap()
        };
        assert_eq!(of(30), nested(30));
        let (mut shown, mut depth) = (&of(40), 0);
        while let Some(inner) = shown.get("x") {
            (shown, depth) = (inner, depth + 1);
        }
        assert_eq!((depth, shown), (30, &Value::from(nested(10).to_string())));
    }

    #[test]
    fn who_wrote_is_told_without_lines_id_to_those_who_may_not_see_it() {
        let written = received(None);
        let told = |sees| message(&written, sees).writer.unwrap();
        assert_eq!(told(true).line_user_id, "U4af4980629aaaabbbbccccddddeeee00");
        let hidden = told(false);
        assert!(hidden.line_user_id.is_empty());
        assert_eq!((hidden.friend_id, hidden.display_name), (Uuid::from_u128(7).to_string(), "Hanako".to_owned()));
    }
}
