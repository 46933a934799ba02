//! One message per message object and part of message object that LINE has: (schema, type, message).

use serde_json::{Value, json};

use crate::schema::USER;

const URL: &str = "https://example.com/a";

/// All of them.
pub(crate) fn all() -> Vec<(&'static str, &'static str, Value)> {
    [messages(), templates(), flex(), actions(), imagemap_actions(), substitutions()].concat()
}

fn messages() -> Vec<(&'static str, &'static str, Value)> {
    let place = json!({"type": "location", "title": "t", "address": "a", "latitude": 0, "longitude": 0});
    vec![
        ("Message", "text", text()),
        ("Message", "textV2", json!({"type": "textV2", "text": "a"})),
        ("Message", "sticker", json!({"type": "sticker", "packageId": "446", "stickerId": "1988"})),
        ("Message", "image", json!({"type": "image", "originalContentUrl": URL, "previewImageUrl": URL})),
        ("Message", "video", json!({"type": "video", "originalContentUrl": URL, "previewImageUrl": URL})),
        ("Message", "audio", json!({"type": "audio", "originalContentUrl": URL, "duration": 1})),
        ("Message", "location", place),
        ("Message", "imagemap", imagemap(json!({"type": "uri", "linkUri": URL}))),
        ("Message", "template", template(&json!({"type": "buttons", "text": "t", "actions": [button()]}))),
        ("Message", "flex", in_bubble(&text())),
        ("Message", "coupon", json!({"type": "coupon", "couponId": "c"})),
    ]
}

fn templates() -> Vec<(&'static str, &'static str, Value)> {
    let images = json!({"type": "image_carousel", "columns": [{"imageUrl": URL, "action": button()}]});
    let cards = json!({"type": "carousel", "columns": [{"text": "t", "actions": [button()]}]});
    vec![
        ("Template", "buttons", template(&json!({"type": "buttons", "text": "t", "actions": [button()]}))),
        ("Template", "confirm", template(&json!({"type": "confirm", "text": "t", "actions": [button(), button()]}))),
        ("Template", "carousel", template(&cards)),
        ("Template", "image_carousel", template(&images)),
    ]
}

fn flex() -> Vec<(&'static str, &'static str, Value)> {
    let bubble = &in_bubble(&text())["contents"];
    let picture = json!({"type": "image", "url": URL});
    let video = json!({"type": "video", "url": URL, "previewUrl": URL, "altContent": picture});
    let line = json!({"type": "box", "layout": "baseline", "contents": [{"type": "icon", "url": URL}]});
    let spans = json!({"type": "text", "contents": [{"type": "span", "text": "a"}]});
    vec![
        ("FlexContainer", "bubble", container(bubble)),
        ("FlexContainer", "carousel", container(&json!({"type": "carousel", "contents": [bubble]}))),
        ("FlexComponent", "box", in_bubble(&json!({"type": "box", "layout": "horizontal", "contents": []}))),
        ("FlexComponent", "button", in_bubble(&json!({"type": "button", "action": button()}))),
        ("FlexComponent", "image", in_bubble(&picture)),
        ("FlexComponent", "video", container(&json!({"type": "bubble", "hero": video}))),
        ("FlexComponent", "icon", in_bubble(&line)),
        ("FlexComponent", "text", in_bubble(&text())),
        ("FlexComponent", "span", in_bubble(&spans)),
        ("FlexComponent", "separator", in_bubble(&json!({"type": "separator"}))),
        ("FlexComponent", "filler", in_bubble(&json!({"type": "filler"}))),
    ]
}

fn actions() -> Vec<(&'static str, &'static str, Value)> {
    let picker = json!({"type": "datetimepicker", "label": "l", "data": "d", "mode": "date"});
    vec![
        ("Action", "camera", quick(&json!({"type": "camera", "label": "l"}))),
        ("Action", "cameraRoll", quick(&json!({"type": "cameraRoll", "label": "l"}))),
        ("Action", "location", quick(&json!({"type": "location", "label": "l"}))),
        ("Action", "clipboard", quick(&json!({"type": "clipboard", "label": "l", "clipboardText": "c"}))),
        ("Action", "datetimepicker", quick(&picker)),
        ("Action", "message", quick(&button())),
        ("Action", "postback", quick(&json!({"type": "postback", "label": "l", "data": "d"}))),
        ("Action", "uri", quick(&json!({"type": "uri", "label": "l", "uri": URL}))),
    ]
}

fn imagemap_actions() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("ImagemapAction", "uri", imagemap(json!({"type": "uri", "linkUri": URL}))),
        ("ImagemapAction", "message", imagemap(json!({"type": "message", "text": "t"}))),
        ("ImagemapAction", "clipboard", imagemap(json!({"type": "clipboard", "clipboardText": "t"}))),
    ]
}

fn substitutions() -> Vec<(&'static str, &'static str, Value)> {
    let mention = |mentionee: Value| substitution(&json!({"type": "mention", "mentionee": mentionee}));
    vec![
        ("SubstitutionObject", "mention", mention(json!({"type": "all"}))),
        ("SubstitutionObject", "emoji", substitution(&json!({"type": "emoji", "productId": "p", "emojiId": "e"}))),
        ("MentionTarget", "all", mention(json!({"type": "all"}))),
        ("MentionTarget", "user", mention(json!({"type": "user", "userId": USER}))),
    ]
}

fn text() -> Value {
    json!({"type": "text", "text": "a"})
}

fn button() -> Value {
    json!({"type": "message", "label": "l", "text": "t"})
}

fn template(template: &Value) -> Value {
    json!({"type": "template", "altText": "a", "template": template})
}

fn container(contents: &Value) -> Value {
    json!({"type": "flex", "altText": "a", "contents": contents})
}

fn in_bubble(component: &Value) -> Value {
    container(&json!({"type": "bubble", "body": {"type": "box", "layout": "vertical", "contents": [component]}}))
}

fn quick(action: &Value) -> Value {
    json!({"type": "text", "text": "a", "quickReply": {"items": [{"type": "action", "action": action}]}})
}

fn imagemap(mut action: Value) -> Value {
    action["area"] = json!({"x": 0, "y": 0, "width": 1, "height": 1});
    let size = json!({"width": 1040, "height": 1040});
    json!({"type": "imagemap", "altText": "a", "baseUrl": URL, "baseSize": size, "actions": [action]})
}

fn substitution(entry: &Value) -> Value {
    json!({"type": "textV2", "text": "{a}", "substitution": {"a": entry}})
}
