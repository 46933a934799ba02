//! Whatever is sent: no bytes are a danger, and what is an event at one level is the same at the other.

use line_types::webhook::{Envelope, Event, Source};
use proptest::prelude::*;
use serde_json::{Value, json};

const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";
const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";
const GROUP: &str = "Ca56f94637caaaabbbbccccddddeeee00";
const EVENT_ID: &str = "01FZ74A0TDDPYRVKNK77XKC3ZR";

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Envelope::parse(&bytes);
        let _ = Event::parse(&String::from_utf8_lossy(&bytes));
    }

    /// Any JSON object is an event, and the whole of it is kept.
    #[test]
    fn any_object_is_an_event(event in object()) {
        let parsed = Event::parse(&event.to_string()).unwrap();
        prop_assert_eq!(Value::Object(parsed.raw), event);
    }

    /// What has facts, and so is published, is an event to whom it is published to.
    #[test]
    fn what_has_facts_can_be_read_in_full(json in json_text()) {
        for raw in [json.clone(), format!(r#"{{"type":"message","timestamp":1,"x":{json}}}"#)] {
            let body = format!(r#"{{"destination":"{BOT}","events":[{raw}]}}"#);
            let Ok(envelope) = Envelope::parse(body.as_bytes()) else { continue };
            for event in envelope.events.iter().filter(|event| event.facts.is_ok()) {
                let full = Event::parse(event.raw.get()).unwrap();
                prop_assert_eq!(full.timestamp, event.facts.as_ref().unwrap().timestamp);
            }
        }
    }

    /// Both levels tell the same about the same event.
    #[test]
    fn both_levels_agree(event in object(), kind in prop::sample::select(Event::KNOWN_TYPES), timestamp in any::<i64>()) {
        let mut event = event;
        event["type"] = json!(kind);
        event["timestamp"] = json!(timestamp);
        let body = json!({"destination": BOT, "events": [event]}).to_string().into_bytes();
        let envelope = Envelope::parse(&body).unwrap();
        let facts = envelope.events[0].facts.as_ref().unwrap();
        let full = Event::parse(envelope.events[0].raw.get()).unwrap();
        prop_assert_eq!(facts.event_type.as_ref(), full.event_type.as_str());
        prop_assert_eq!(facts.timestamp, full.timestamp);
        prop_assert_eq!(&facts.mode, &full.mode);
        prop_assert_eq!(facts.is_redelivery, full.is_redelivery);
        prop_assert_eq!(&facts.webhook_event_id, &full.webhook_event_id);
        prop_assert_eq!(facts.reply_token.as_deref(), full.reply_token.as_deref());
        prop_assert_eq!(facts.source.as_ref().map(|s| s.kind.clone()), full.source.as_ref().map(Source::kind));
        prop_assert_eq!(facts.source.as_ref().and_then(|s| s.user_id.as_ref()), full.source.as_ref().and_then(Source::user_id));
    }
}

/// JSON as its grammar allows it, beyond what anybody holds.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,12})",
        r"-?[1-9][0-9]{0,400}(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,5})?",
        r#""([a-z0-9\-]|\\u[0-9a-f]{4}|\\["\\n]|あ){0,8}""#,
        "null|true",
    ];
    let name = prop_oneof![
        prop::sample::select(vec![r#""type""#, r#""timestamp""#, r#""source""#, r#""message""#])
            .prop_map(str::to_owned),
        r#""(\\ud[89a-f][0-9a-f]{2}|[a-z])""#,
    ];
    leaf.prop_recursive(5, 24, 5, move |inner| {
        let field = (name.clone(), inner.clone()).prop_map(|(name, value)| format!("{name}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec(field, 0..5).prop_map(|fields| {
                format!(
                    r#"{{"type":"message","timestamp":2{}{}}}"#,
                    if fields.is_empty() { "" } else { "," },
                    fields.join(",")
                )
            }),
        ]
    })
}

/// Objects that look like events here and there.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec![USER, GROUP, EVENT_ID, "user", "text", "active", "standby"]).prop_map(Value::from),
    ];
    let names = vec![
        "type",
        "timestamp",
        "mode",
        "webhookEventId",
        "deliveryContext",
        "isRedelivery",
        "source",
        "userId",
        "groupId",
        "replyToken",
        "message",
        "id",
        "text",
        "unsend",
        "messageId",
        "postback",
        "data",
        "params",
        "joined",
        "members",
    ];
    let name = prop::sample::select(names).prop_map(str::to_owned);
    let tree = leaf.prop_recursive(4, 32, 6, {
        let name = name.clone();
        move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name.clone(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        }
    });
    prop::collection::hash_map(name, tree, 0..8).prop_map(|map| Value::Object(map.into_iter().collect()))
}
