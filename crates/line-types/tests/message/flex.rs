//! Flex messages.

use line_types::message::MAX_BUBBLE_BYTES;
use serde_json::{Value, json};

use crate::{URL, label, limit, only, refused, taken};

fn bubble(body: &Value) -> Value {
    json!({"type": "flex", "altText": "a", "contents": {"type": "bubble",
        "body": {"type": "box", "layout": "vertical", "contents": [body]}}})
}

#[test]
fn flex_sizes_are_bounded() {
    let text = |length: usize| bubble(&json!({"type": "text", "text": "a".repeat(length)}));
    let overhead = text(0)["contents"].to_string().len();
    taken(&text(MAX_BUBBLE_BYTES - overhead));
    refused(&text(MAX_BUBBLE_BYTES - overhead + 1), ".contents", "may not exceed 30 KB");
    let carousel = |bubbles: Vec<Value>| {
        json!({"type": "flex", "altText": "a",
        "contents": {"type": "carousel", "contents": bubbles}})
    };
    let one = text(1)["contents"].clone();
    taken(&carousel(vec![one.clone(); 12]));
    refused(&carousel(vec![one.clone(); 13]), ".contents.contents", "Size must be between 1 and 12");
    let large = text(20 * 1024)["contents"].clone();
    refused(&carousel(vec![large; 3]), ".contents", "may not exceed 50 KB");
    let mut small = one.clone();
    small["size"] = json!("nano");
    refused(&carousel(vec![one.clone(), small]), ".contents.contents", "must have the same size in all bubbles");
    let mut mega = one.clone();
    mega["size"] = json!("mega");
    taken(&carousel(vec![one, mega]));
    limit(&text(1), "/altText", ".altText", 1_500, "あ");
}

#[test]
fn flex_components_stand_where_they_may() {
    let body = ".contents.body.contents[0]";
    taken(&bubble(&json!({"type": "text", "contents": [{"type": "span", "text": "a", "color": "#ff0000"}]})));
    refused(&bubble(&json!({"type": "text"})), body, "either text or contents must be specified");
    let both = json!({"type": "text", "text": "a", "contents": [{"type": "span", "text": "a"}]});
    refused(&bubble(&both), body, "text and contents may not be specified together");
    refused(&bubble(&json!({"type": "text", "text": ""})), &format!("{body}.text"), "must be non-empty text");
    refused(&bubble(&json!({"type": "text", "text": "a", "color": "red"})), &format!("{body}.color"), "invalid color");
    let button = bubble(&json!({"type": "button", "action": label("l")}));
    let (pointer, property) = ("/contents/body/contents/0/action/label", format!("{body}.action.label"));
    limit(&button, pointer, &property, 40, "👨‍👩‍👧‍👦");
    let mut bare = button;
    bare.pointer_mut("/contents/body/contents/0/action").unwrap().as_object_mut().unwrap().remove("label");
    refused(&bare, &property, "May not be empty");
    assert_eq!(only(&bubble(&json!({"type": "icon", "url": URL}))).0, format!("messages[0]{body}.type"));
    let line = json!({"type": "box", "layout": "baseline", "contents": [{"type": "icon", "url": URL}]});
    taken(&bubble(&line));
    let empty = json!({"type": "flex", "altText": "a", "contents": {"type": "bubble"}});
    refused(&empty, ".contents", "at least one block must be specified");
    let moving = json!({"type": "image", "url": URL, "animated": true});
    let many = |count| bubble(&json!({"type": "box", "layout": "vertical", "contents": vec![moving.clone(); count]}));
    taken(&many(10));
    refused(&many(11), ".contents", "may hold at most 10 animated images");
}

#[test]
fn flex_videos_are_heroes_of_large_bubbles() {
    let hero = json!({"type": "video", "url": "https://example.com/v.mp4", "previewUrl": URL,
        "altContent": {"type": "image", "url": URL}});
    let video = |size: &str| json!({"type": "bubble", "size": size, "hero": hero});
    let flex = |contents: &Value| json!({"type": "flex", "altText": "a", "contents": contents});
    for size in ["kilo", "mega", "giga"] {
        taken(&flex(&video(size)));
    }
    assert_eq!(only(&flex(&video("micro"))).0, "messages[0].contents.hero.type");
    let carousel = json!({"type": "carousel", "contents": [video("mega")]});
    assert_eq!(only(&flex(&carousel)).0, "messages[0].contents.contents[0].hero.type");
}
