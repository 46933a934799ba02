//! LINE's limits on message objects, at each limit and one beyond.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod action;
mod flex;
mod media;
mod rich_menu;
mod template;
mod text;

use line_types::message::{KNOWN_TYPES, Message, Violation, check};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) const URL: &str = "https://example.com/a.jpg";

pub(crate) fn violations(message: &Value) -> Vec<Violation> {
    check(std::slice::from_ref(message))
}

/// The one violation of a message, as (property, reason).
pub(crate) fn only(message: &Value) -> (String, String) {
    let mut found = violations(message);
    assert_eq!(found.len(), 1, "{found:?}");
    let violation = found.remove(0);
    (violation.property, violation.message)
}

pub(crate) fn taken(message: &Value) {
    assert_eq!(violations(message), [], "{message}");
}

pub(crate) fn refused(message: &Value, property: &str, reason: &str) {
    assert_eq!(only(message), (format!("messages[0]{property}"), reason.to_owned()));
}

/// Takes a text of `max` and refuses one more, at the pointer given; `unit` is one thing counted.
pub(crate) fn limit(message: &Value, pointer: &str, property: &str, max: usize, unit: &str) {
    let with = |count: usize| {
        let mut message = message.clone();
        *message.pointer_mut(pointer).unwrap() = json!(unit.repeat(count));
        message
    };
    taken(&with(max));
    refused(&with(max + 1), property, &format!("Length must be between 0 and {max}"));
}

pub(crate) fn label(text: &str) -> Value {
    json!({"type": "message", "label": text, "text": "t"})
}

pub(crate) fn buttons(template: &Value) -> Value {
    let mut message = json!({"type": "template", "altText": "a",
        "template": {"type": "buttons", "text": "t", "actions": [label("ok")]}});
    for (name, value) in template.as_object().unwrap() {
        message["template"][name] = value.clone();
    }
    message
}

#[test]
fn one_to_five_messages() {
    let text = Message::text("a").to_value();
    assert_eq!(check(&vec![text.clone(); 5]), []);
    for count in [0, 6] {
        let found = check(&vec![text.clone(); count]);
        assert_eq!(
            (found[0].property.as_str(), found[0].message.as_str()),
            ("messages", "Size must be between 1 and 5")
        );
    }
    assert_eq!(check(&[json!("text")])[0].message, "must be an object");
}

#[test]
fn unknown_and_missing_types_are_refused() {
    let (property, reason) = only(&json!({"type": "hologram"}));
    assert_eq!(property, "messages[0].type");
    assert!(reason.starts_with("must be one of the following values: [text, textV2"));
    refused(&json!({"text": "a"}), ".type", "May not be empty");
    let found = check(&[Message::text("a").to_value(), json!({"type": "text"})]);
    assert_eq!(found[0].property, "messages[1].text");
}

#[test]
fn violations_are_bounded_and_repeat_no_content() {
    let bad = json!({"type": "image", "originalContentUrl": "secret words", "previewImageUrl": "secret words"});
    assert!(!format!("{:?}", violations(&bad)).contains("secret"));
    let columns = vec![json!({}); 10];
    let carousel = json!({"type": "template", "template": {"type": "carousel", "columns": columns}});
    assert_eq!(check(&vec![carousel; 5]).len(), 50);
}

proptest! {
    /// Whatever JSON comes, the check ends, and never with silence about an unknown type.
    #[test]
    fn any_json_is_survived(message in json_tree(), kind in prop::sample::select(KNOWN_TYPES)) {
        let _ = violations(&message);
        let mut message = message;
        if let Value::Object(fields) = &mut message {
            fields.insert("type".into(), json!(kind));
        }
        for violation in violations(&message) {
            prop_assert!(violation.property.starts_with("messages"));
        }
    }

    /// Every text within the limit is taken, every longer one refused.
    #[test]
    fn the_text_limit_is_exact(text in "\\PC{1,40}", times in 1..1_500usize) {
        let text = text.repeat(times);
        let taken = violations(&Message::text(&*text).to_value()).is_empty();
        prop_assert_eq!(taken, text.encode_utf16().count() <= 5_000);
    }

    /// Any text is taken as textV2 once its braces are escaped.
    #[test]
    fn escaped_texts_are_taken(text in "[a{}😀 ]{1,200}") {
        let escaped = Message::escape(&text);
        let found = violations(&Message::text_v2(escaped, []).to_value());
        prop_assert_eq!(found, vec![]);
    }
}

fn json_tree() -> impl Strategy<Value = Value> {
    let words = vec![
        "type",
        "text",
        "altText",
        "template",
        "columns",
        "actions",
        "action",
        "label",
        "data",
        "uri",
        "contents",
        "body",
        "hero",
        "box",
        "bubble",
        "carousel",
        "buttons",
        "confirm",
        "image_carousel",
        "layout",
        "vertical",
        "baseline",
        "quickReply",
        "items",
        "substitution",
        "mention",
        "emojis",
        "index",
        "url",
        "span",
        "postback",
        "button",
    ];
    let word = prop::sample::select(words).prop_map(str::to_owned);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(word.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
