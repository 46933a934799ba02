//! Taking a person out of what others did: the lists of who joined or left a chat, and mentions.

use line_types::id::UserId;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::names;

/// A part of an event, as it stands there, and what takes its place.
pub(super) type Edit<'a> = (&'a str, String);

/// What stands in the place of each UTF-16 unit of a mentioned name: the places of other mentions and of emoji stay right.
const BLANK: u16 = b' ' as u16;

#[derive(Deserialize)]
struct EventWire<'a> {
    #[serde(borrow)]
    joined: Option<&'a RawValue>,
    #[serde(borrow)]
    left: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MembersWire<'a> {
    #[serde(borrow)]
    members: &'a RawValue,
}

#[derive(Deserialize)]
struct MessageWire<'a> {
    #[serde(borrow)]
    text: &'a RawValue,
    #[serde(borrow)]
    mention: &'a RawValue,
}

#[derive(Deserialize)]
struct MentionWire<'a> {
    #[serde(borrow)]
    mentionees: &'a RawValue,
}

/// How this event of somebody else's is to be changed so that it names `user` no more; none where nothing would be left of it, or where
/// it names them in a place that is not known.
pub(super) fn without<'a>(event: &'a str, user: &UserId) -> Option<Vec<Edit<'a>>> {
    let wire: EventWire<'a> = serde_json::from_str(event).ok()?;
    let named = |part: &&RawValue| names(part.get(), user.as_str());
    let mut edits = Vec::new();
    for list in [wire.joined, wire.left].into_iter().flatten().filter(named) {
        edits.push(members(list, user)?);
    }
    if let Some(message) = wire.message.filter(named) {
        edits.extend(mentions(message, user)?);
    }
    Some(edits)
}

/// The list of members without them.
fn members<'a>(list: &'a RawValue, user: &UserId) -> Option<Edit<'a>> {
    let wire: MembersWire<'a> = serde_json::from_str(list.get()).ok()?;
    let members: Vec<&RawValue> = serde_json::from_str(wire.members.get()).ok()?;
    let others: Vec<&str> =
        members.iter().map(|member| member.get()).filter(|member| !names(member, user.as_str())).collect();
    (!others.is_empty()).then(|| (wire.members.get(), format!("[{}]", others.join(","))))
}

/// Their mentions without the ID, and the text without the name.
fn mentions<'a>(message: &'a RawValue, user: &UserId) -> Option<Vec<Edit<'a>>> {
    let wire: MessageWire<'a> = serde_json::from_str(message.get()).ok()?;
    let mention: MentionWire<'a> = serde_json::from_str(wire.mention.get()).ok()?;
    let mentionees: Vec<&'a RawValue> = serde_json::from_str(mention.mentionees.get()).ok()?;
    let mut text: Vec<u16> = serde_json::from_str::<String>(wire.text.get()).ok()?.encode_utf16().collect();
    let mut edits = Vec::new();
    for raw in mentionees {
        let Value::Object(mut mentionee) = serde_json::from_str(raw.get()).ok()? else { continue };
        if mentionee.get("userId").and_then(Value::as_str) != Some(user.as_str()) {
            continue;
        }
        mentionee.remove("userId");
        let place = |name: &str| usize::try_from(mentionee.get(name)?.as_u64()?).ok();
        let (from, length) = (place("index")?.min(text.len()), place("length")?);
        let to = from.saturating_add(length).min(text.len());
        text[from..to].fill(BLANK);
        edits.push((raw.get(), Value::Object(mentionee).to_string()));
    }
    edits.push((wire.text.get(), Value::String(String::from_utf16_lossy(&text)).to_string()));
    Some(edits)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::TimeDelta;
    use kernel::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::event::read;
    use crate::redaction::{Redacted, Sought, redact};

    const HANAKO: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
    const TARO: &str = "Ubbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn body(event: &str) -> Bytes {
        Bytes::from(format!(r#"{{"destination":"U","events":[{event}, {{"type":"unfollow","timestamp":1}}]}}"#))
    }

    /// The body's first event, without Hanako.
    fn redacted(event: &str) -> Option<Redacted> {
        let until = Timestamp::UNIX_EPOCH + TimeDelta::days(30_000);
        redact(&body(event), &Sought::LineUser { user: UserId::parse(HANAKO).unwrap(), until })
    }

    fn in_group(kind: &str, rest: &str) -> String {
        format!(
            r#"{{"type":"{kind}","timestamp":1640000000123,"webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3ZR","source":{{"type":"group","groupId":"C4af4980629aaaaaaaaaaaaaaaaaaaaaa","userId":"{TARO}"}},{rest}}}"#
        )
    }

    fn mentioning(text: &str, mentionees: &[(usize, usize, &str)]) -> String {
        let mentionee = |(index, length, user): &(usize, usize, &str)| {
            format!(r#"{{"index":{index}, "length":{length},"userId":"{user}","type":"user","isSelf":false}}"#)
        };
        let mentionees: Vec<String> = mentionees.iter().map(mentionee).collect();
        let text = Value::String(text.to_owned());
        let about =
            format!(r#""id":"1","type":"text","text":{text},"mention":{{"mentionees":[{}]}}"#, mentionees.join(", "));
        in_group("message", &format!(r#""message":{{{about}}}"#))
    }

    /// Text and mentionees of what is left of a message.
    fn message(redacted: &Redacted) -> (String, Vec<Value>) {
        let raw = read(&redacted.body).unwrap().events.remove(0).raw;
        let event: Value = serde_json::from_slice(&raw).unwrap();
        let mentionees = event["message"]["mention"]["mentionees"].as_array().unwrap().clone();
        (event["message"]["text"].as_str().unwrap().to_owned(), mentionees)
    }

    #[test]
    fn who_is_mentioned_is_blanked_in_the_text_and_loses_the_id() {
        // Before the name stands a character of two units.
        let left = redacted(&mentioning("😀@花子 と @太郎", &[(2, 3, HANAKO), (8, 3, TARO)])).unwrap();
        assert_eq!((left.gone.as_slice(), left.mended.as_slice(), left.erased()), (&[][..], &[0][..], 1));
        let (text, mentionees) = message(&left);
        assert_eq!(text, "😀    と @太郎");
        assert_eq!((mentionees[0].get("userId"), &mentionees[0]["index"]), (None, &Value::from(2)));
        assert_eq!(mentionees[1]["userId"], TARO);
        assert_eq!(read(&left.body).unwrap().events.len(), 2, "its neighbour is as it was");
    }

    #[test]
    fn who_joined_or_left_with_others_is_taken_out_of_the_list_and_alone_with_the_event() {
        let list = |what: &str, users: &[&str]| {
            let members: Vec<String> =
                users.iter().map(|user| format!(r#"{{"type":"user","userId":"{user}"}}"#)).collect();
            format!(r#""{what}":{{"members":[{}]}}"#, members.join(","))
        };
        for (kind, what) in [("memberJoined", "joined"), ("memberLeft", "left")] {
            let left = redacted(&in_group(kind, &list(what, &[TARO, HANAKO]))).unwrap();
            assert_eq!(left.mended, [0]);
            assert!(left.body.windows(TARO.len()).any(|window| window == TARO.as_bytes()));
            let both = redacted(&in_group(kind, &list(what, &[HANAKO]))).unwrap();
            assert_eq!((both.gone.as_slice(), both.mended.as_slice()), (&[0][..], &[][..]));
            assert_eq!(redacted(&in_group(kind, &list(what, &[TARO]))), None);
        }
    }

    #[test]
    fn an_event_goes_whole_where_it_is_not_known_what_names_them() {
        let escaped = format!("\\u0055{}", &HANAKO[1..]);
        for event in [
            in_group("poll", &format!(r#""voters":["{HANAKO}"]"#)),
            in_group("poll", &format!(r#""voters":["{escaped}"]"#)),
            in_group("message", &format!(r#""message":{{"id":"1","type":"text","text":"ask {HANAKO}"}}"#)),
            mentioning("@花子", &[(0, 3, HANAKO)]).replace(r#""index":0"#, r#""index":"0""#),
            mentioning("@花子", &[(0, 3, HANAKO)]).replace("webhookEventId", "unknown"),
        ] {
            assert_eq!(redacted(&event).unwrap().gone, [0], "{event}");
        }
    }

    #[test]
    fn what_was_done_later_stays() {
        let user = UserId::parse(HANAKO).unwrap();
        let event = mentioning("@花子", &[(0, 3, HANAKO)]);
        for (seconds, is_erased) in [(1_640_000_000, false), (1_640_000_001, true)] {
            let until = Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds);
            let left = redact(&body(&event), &Sought::LineUser { user: user.clone(), until });
            assert_eq!(left.is_some(), is_erased);
        }
    }

    proptest! {
        /// Whatever LINE says of places: nothing names them afterwards, and every place of somebody else's stays right.
        #[test]
        fn of_a_mention_nothing_is_left_and_the_others_are_as_they_were(
            text in "[a@花😀 \"\\\\]{0,12}",
            spans in prop::collection::vec((0usize..16, 0usize..20, any::<bool>()), 0..4),
        ) {
            let spans: Vec<(usize, usize, &str)> =
                spans.into_iter().map(|(index, length, hers)| (index, length, if hers { HANAKO } else { TARO })).collect();
            let event = mentioning(&text, &spans);
            let Some(left) = redacted(&event) else {
                prop_assert!(spans.iter().all(|span| span.2 == TARO));
                return Ok(());
            };
            prop_assert!(!String::from_utf8(left.body.to_vec()).unwrap().contains(HANAKO));
            prop_assert_eq!(redacted_again(&left.body), None);
            let (after, mentionees) = message(&left);
            let (before, after): (Vec<u16>, Vec<u16>) = (text.encode_utf16().collect(), after.encode_utf16().collect());
            prop_assert_eq!(before.len(), after.len());
            prop_assert_eq!(mentionees.len(), spans.len());
            let is_hers = |unit: usize| {
                spans.iter().any(|(index, length, user)| *user == HANAKO && (*index..index + length).contains(&unit))
            };
            for unit in 0..before.len() {
                // A half of a character whose other half was blanked is none any more.
                let is_half = |unit: u16| (0xD800..0xE000).contains(&unit);
                let is_kept = after[unit] == before[unit] || is_half(before[unit]);
                let is_right = if is_hers(unit) { after[unit] == BLANK } else { is_kept };
                prop_assert!(is_right, "{unit}");
            }
        }
    }

    fn redacted_again(body: &Bytes) -> Option<Redacted> {
        let until = Timestamp::UNIX_EPOCH + TimeDelta::days(30_000);
        redact(body, &Sought::LineUser { user: UserId::parse(HANAKO).unwrap(), until })
    }
}
