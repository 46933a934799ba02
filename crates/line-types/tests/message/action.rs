//! Actions, quick replies and senders.

use line_types::message::{Action, DatetimeMode, Message, QuickReply, QuickReplyItem, Sender};
use serde_json::{Value, json};

use crate::{URL, buttons, limit, only, refused, taken};

fn with_action(action: &Value) -> Value {
    buttons(&json!({"actions": [action]}))
}

#[test]
fn actions_have_their_limits() {
    let postback = with_action(&json!({"type": "postback", "label": "l", "data": "", "displayText": "",
        "inputOption": "openKeyboard", "fillInText": ""}));
    let at = |name: &str| (format!("/template/actions/0/{name}"), format!(".template.actions[0].{name}"));
    let mut filled = postback;
    filled["template"]["actions"][0]["data"] = json!("d");
    for (name, max, unit) in [("data", 300, "あ"), ("displayText", 300, "👨‍👩‍👧‍👦"), ("fillInText", 300, "👨‍👩‍👧‍👦")]
    {
        let (pointer, property) = at(name);
        limit(&filled, &pointer, &property, max, unit);
    }
    let text = with_action(&json!({"type": "message", "label": "l", "text": "t"}));
    limit(&text, "/template/actions/0/text", ".template.actions[0].text", 300, "👨‍👩‍👧‍👦");
    let copy = with_action(&json!({"type": "clipboard", "label": "l", "clipboardText": "t"}));
    limit(&copy, "/template/actions/0/clipboardText", ".template.actions[0].clipboardText", 1_000, "あ");
    let both = json!({"type": "postback", "label": "l", "data": "d", "text": "t", "displayText": "t"});
    refused(&with_action(&both), ".template.actions[0].text", "may not be specified together with displayText");
    let fill = json!({"type": "postback", "label": "l", "data": "d", "fillInText": "t"});
    let property = ".template.actions[0].fillInText";
    refused(&with_action(&fill), property, "may only be specified with inputOption openKeyboard");
    let link = |uri: &str| with_action(&json!({"type": "uri", "label": "l", "uri": uri}));
    for uri in ["https://example.com", "http://example.com", "line://nv/camera/", "tel:090-1234-5678"] {
        taken(&link(uri));
    }
    refused(&link("javascript:alert(1)"), ".template.actions[0].uri", "invalid uri scheme");
    let longest = format!("https://example.com/{}", "a".repeat(1_000 - 20));
    taken(&link(&longest));
    refused(&link(&(longest + "a")), ".template.actions[0].uri", "Length must be between 0 and 1000");
    let camera = with_action(&json!({"type": "camera", "label": "l"}));
    assert_eq!(only(&camera).0, "messages[0].template.actions[0].type", "cameras open from quick replies only");
    let switch = with_action(&json!({"type": "richmenuswitch", "label": "l", "richMenuAliasId": "a", "data": "d"}));
    assert_eq!(only(&switch).0, "messages[0].template.actions[0].type");
}

#[test]
fn pickers_have_a_form_and_an_order() {
    let picker = |mode: &str, initial: &str, min: &str, max: &str| {
        with_action(&json!({"type": "datetimepicker", "label": "l", "data": "d", "mode": mode,
            "initial": initial, "min": min, "max": max}))
    };
    taken(&picker("date", "2026-01-02", "1900-01-01", "2100-12-31"));
    taken(&picker("time", "00:30", "00:00", "23:59"));
    taken(&picker("datetime", "2026-01-02t10:00", "1900-01-01T00:00", "2100-12-31T23:59"));
    let form = "invalid format or out of range";
    refused(&picker("date", "2026-02-30", "1900-01-01", "2100-12-31"), ".template.actions[0].initial", form);
    refused(&picker("date", "2026-01-02", "1899-12-31", "2100-12-31"), ".template.actions[0].min", form);
    refused(&picker("date", "2026-01-02", "1900-01-01", "2101-01-01"), ".template.actions[0].max", form);
    refused(&picker("time", "24:00", "00:00", "23:59"), ".template.actions[0].initial", form);
    refused(&picker("time", "12:00", "12:00", "12:00"), ".template.actions[0].max", "must be later than min");
    refused(&picker("time", "11:00", "12:00", "13:00"), ".template.actions[0].initial", "must be between min and max");
    let typed = Action::DatetimePicker {
        label: Some("l".into()),
        data: "d".into(),
        mode: DatetimeMode::Datetime,
        initial: None,
        min: None,
        max: None,
    };
    taken(&with_action(&serde_json::to_value(typed).unwrap()));
}

#[test]
fn quick_replies_and_senders_have_their_limits() {
    let item = |action: Action| QuickReplyItem { action, image_url: Some(URL.into()) };
    let with = |items: Vec<QuickReplyItem>| Message::text("a").with_quick_reply(QuickReply { items }).to_value();
    let everywhere = vec![
        item(Action::Camera { label: "l".into() }),
        item(Action::CameraRoll { label: "l".into() }),
        item(Action::Location { label: "l".into() }),
        item(Action::Clipboard { label: Some("l".into()), clipboard_text: "c".into() }),
    ];
    taken(&with(everywhere.clone()));
    taken(&with(vec![everywhere[0].clone(); 13]));
    refused(&with(vec![everywhere[0].clone(); 14]), ".quickReply.items", "Size must be between 1 and 13");
    limit(&with(everywhere), "/quickReply/items/0/action/label", ".quickReply.items[0].action.label", 20, "👨‍👩‍👧‍👦");
    let named =
        Message::text("a").with_sender(Sender { name: Some("Cony".into()), icon_url: Some(URL.into()) }).to_value();
    limit(&named, "/sender/name", ".sender.name", 20, "あ");
}
