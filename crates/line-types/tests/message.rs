//! LINE's limits on message objects, at each limit and one beyond.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use line_types::message::{
    Action, Area, BaseSize, Column, DatetimeMode, EmojiPlace, ImageColumn, ImagemapAction, KNOWN_TYPES,
    MAX_BUBBLE_BYTES, Mentionee, Message, MessageBody, QuickReply, QuickReplyItem, Sender, Substitution, Template,
    Violation, check,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const URL: &str = "https://example.com/a.jpg";

fn violations(message: &Value) -> Vec<Violation> {
    check(std::slice::from_ref(message))
}

/// The one violation of a message, as (property, reason).
fn only(message: &Value) -> (String, String) {
    let mut found = violations(message);
    assert_eq!(found.len(), 1, "{found:?}");
    let violation = found.remove(0);
    (violation.property, violation.message)
}

fn taken(message: &Value) {
    assert_eq!(violations(message), [], "{message}");
}

fn refused(message: &Value, property: &str, reason: &str) {
    assert_eq!(only(message), (format!("messages[0]{property}"), reason.to_owned()));
}

/// Takes a text of `max` and refuses one more, at the pointer given; `unit` is one thing counted.
fn limit(message: &Value, pointer: &str, property: &str, max: usize, unit: &str) {
    let with = |count: usize| {
        let mut message = message.clone();
        *message.pointer_mut(pointer).unwrap() = json!(unit.repeat(count));
        message
    };
    taken(&with(max));
    refused(&with(max + 1), property, &format!("Length must be between 0 and {max}"));
}

fn label(text: &str) -> Value {
    json!({"type": "message", "label": text, "text": "t"})
}

fn buttons(template: &Value) -> Value {
    let mut message = json!({"type": "template", "altText": "a",
        "template": {"type": "buttons", "text": "t", "actions": [label("ok")]}});
    for (name, value) in template.as_object().unwrap() {
        message["template"][name] = value.clone();
    }
    message
}

fn bubble(body: &Value) -> Value {
    json!({"type": "flex", "altText": "a", "contents": {"type": "bubble",
        "body": {"type": "box", "layout": "vertical", "contents": [body]}}})
}

fn with_action(action: &Value) -> Value {
    buttons(&json!({"actions": [action]}))
}

const ACTION: &str = ".template.actions[0]";

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
fn texts_count_utf16() {
    limit(&json!({"type": "text", "text": ""}), "/text", ".text", 5_000, "あ");
    limit(&json!({"type": "textV2", "text": ""}), "/text", ".text", 5_000, "a");
    taken(&Message::text("😀".repeat(2_500)).to_value());
    refused(&Message::text("😀".repeat(2_501)).to_value(), ".text", "Length must be between 0 and 5000");
    refused(&Message::text("").to_value(), ".text", "May not be empty");
    refused(&json!({"type": "text", "text": 7}), ".text", "must be a string");
    taken(&json!({"type": "text", "text": "a", "emojis": null, "quoteToken": null}));
}

#[test]
fn emoji_stand_in_the_place_of_a_dollar() {
    let with = |text: &str, indexes: &[usize]| {
        let emojis =
            indexes.iter().map(|&index| EmojiPlace { index, product_id: "p".into(), emoji_id: "001".into() }).collect();
        Message::from(MessageBody::Text { text: text.into(), emojis, quote_token: None }).to_value()
    };
    taken(&with("😀$ and $", &[2, 8]));
    refused(&with("😀$", &[1]), ".emojis[0].index", "must point to a $ of the text");
    refused(&with("$", &[9]), ".emojis[0].index", "must point to a $ of the text");
    refused(&with("$$", &[0, 0]), ".emojis[1].index", "must point to a $ of the text");
    taken(&with(&"$".repeat(20), &(0..20).collect::<Vec<_>>()));
    refused(&with(&"$".repeat(21), &(0..21).collect::<Vec<_>>()), ".emojis", "Size must be between 0 and 20");
}

#[test]
fn placeholders_need_their_substitutions() {
    let user = Substitution::Mention { mentionee: Mentionee::User { user_id: "U1".into() } };
    let all = Substitution::Mention { mentionee: Mentionee::All };
    let emoji = Substitution::Emoji { product_id: "p".into(), emoji_id: "001".into() };
    let entries = [("user".to_owned(), user.clone()), ("all".into(), all), ("smile".into(), emoji)];
    taken(&Message::text_v2("Hi {user} {all}! {{really}} {smile}", entries).to_value());
    taken(&Message::text_v2(Message::escape("a {b} c"), []).to_value());
    refused(&Message::text_v2("Hi {user}", []).to_value(), ".substitution", "user must be specified");
    let unmatched = "has an unmatched brace or an invalid placeholder";
    refused(&Message::text_v2("Hi {user", [("user".into(), user.clone())]).to_value(), ".text", unmatched);
    let keys = |count: usize, text: &str| {
        let all = (0..count).map(|i| (format!("k{i}"), user.clone()));
        Message::text_v2(text, all).to_value()
    };
    taken(&keys(20, "{k0}"));
    refused(&keys(21, "{k0}"), ".substitution", "may hold at most 20 mentions");
    refused(&keys(101, "{k0}"), ".substitution", "Size must be between 0 and 100");
    let odd = json!({"type": "textV2", "text": "a", "substitution": {"no-dash": {"type": "emoji"}}});
    refused(&odd, ".substitution", "keys must be 1 to 20 letters, digits or underscores");
    let half = json!({"type": "textV2", "text": "{a}", "substitution": {"a": {"type": "emoji", "productId": "p"}}});
    refused(&half, ".substitution.a.emojiId", "May not be empty");
}

#[test]
fn addresses_are_https_and_encoded() {
    let image = |url: &str| json!({"type": "image", "originalContentUrl": url, "previewImageUrl": URL});
    let longest = format!("https://example.com/{}", "a".repeat(2_000 - 20));
    taken(&image(&longest));
    refused(&image(&(longest + "a")), ".originalContentUrl", "Length must be between 0 and 2000");
    refused(&image("http://example.com/a"), ".originalContentUrl", "invalid uri scheme");
    for url in ["a.jpg", "https:example.com", "https://", "https://example.com/日本", "https://example.com/a b"] {
        refused(&image(url), ".originalContentUrl", "invalid uri");
    }
    refused(&json!({"type": "image", "originalContentUrl": URL}), ".previewImageUrl", "May not be empty");
}

#[test]
fn single_things_have_their_limits() {
    taken(&json!({"type": "sticker", "packageId": "446", "stickerId": "1988"}));
    refused(&json!({"type": "sticker", "packageId": "446"}), ".stickerId", "May not be empty");
    let video = json!({"type": "video", "originalContentUrl": URL, "previewImageUrl": URL, "trackingId": ""});
    limit(&video, "/trackingId", ".trackingId", 100, "t");
    taken(&json!({"type": "audio", "originalContentUrl": URL, "duration": 60_000}));
    refused(&json!({"type": "audio", "originalContentUrl": URL, "duration": 1.5}), ".duration", "must be an integer");
    let place = json!({"type": "location", "title": "t", "address": "a", "latitude": 35.6, "longitude": 139.7});
    limit(&place, "/title", ".title", 100, "京");
    limit(&place, "/address", ".address", 100, "都");
    let mut far = place;
    far["latitude"] = json!(90.1);
    refused(&far, ".latitude", "must be between -90 and 90");
    let coupon = json!({"type": "coupon", "couponId": "01JYNW8JMQVFBNWF1APF8Z3FS7", "deliveryTag": "t"});
    limit(&coupon, "/deliveryTag", ".deliveryTag", 30, "_");
    refused(&json!({"type": "coupon"}), ".couponId", "May not be empty");
}

#[test]
fn imagemaps_have_their_limits() {
    let area = Area { x: 0, y: 0, width: 520, height: 1_040 };
    let imagemap = |actions: Vec<ImagemapAction>| {
        Message::from(MessageBody::Imagemap {
            base_url: "https://example.com/bot/images/rm001".into(),
            alt_text: "map".into(),
            base_size: BaseSize { width: 1_040, height: 1_040 },
            actions,
            video: None,
        })
        .to_value()
    };
    let tap = |text: String| ImagemapAction::Message { text, area };
    taken(&imagemap(vec![tap("a".into()); 50]));
    refused(&imagemap(vec![tap("a".into()); 51]), ".actions", "Size must be between 0 and 50");
    limit(&imagemap(vec![tap(String::new())]), "/actions/0/text", ".actions[0].text", 400, "a");
    let link = imagemap(vec![ImagemapAction::Uri { link_uri: "ftp://example.com".into(), area }]);
    refused(&link, ".actions[0].linkUri", "invalid uri scheme");
    let mut narrow = imagemap(vec![]);
    limit(&narrow, "/altText", ".altText", 1_500, "あ");
    narrow["baseSize"]["width"] = json!(1_000);
    refused(&narrow, ".baseSize.width", "must be between 1040 and 1040");
}

#[test]
fn template_texts_count_graphemes() {
    let family = "👨‍👩‍👧‍👦";
    let mut message = buttons(&json!({}));
    limit(&message, "/template/text", ".template.text", 160, family);
    message["template"]["title"] = json!("t");
    limit(&message, "/template/text", ".template.text", 60, family);
    limit(&message, "/template/title", ".template.title", 40, family);
    limit(&buttons(&json!({"thumbnailImageUrl": URL})), "/template/text", ".template.text", 60, family);
    let confirm = json!({"type": "template", "altText": "a",
        "template": {"type": "confirm", "text": "t", "actions": [label("yes"), label("no")]}});
    limit(&confirm, "/template/text", ".template.text", 240, family);
    let mut one = confirm;
    one["template"]["actions"] = json!([label("yes")]);
    refused(&one, ".template.actions", "Size must be between 2 and 2");
    limit(&buttons(&json!({})), "/altText", ".altText", 1_500, "あ");
    taken(&buttons(&json!({"actions": vec![label("a"); 4]})));
    refused(&buttons(&json!({"actions": vec![label("a"); 5]})), ".template.actions", "Size must be between 1 and 4");
    refused(&buttons(&json!({"imageBackgroundColor": "red"})), ".template.imageBackgroundColor", "invalid color");
    limit(&buttons(&json!({})), "/template/actions/0/label", ".template.actions[0].label", 20, family);
    refused(
        &buttons(&json!({"actions": [{"type": "message", "text": "t"}]})),
        ".template.actions[0].label",
        "May not be empty",
    );
}

#[test]
fn carousel_columns_agree() {
    let column = |title: bool, buttons: usize| Column {
        text: "t".into(),
        title: title.then(|| "title".into()),
        thumbnail_image_url: None,
        actions: vec![Action::Message { label: Some("l".into()), text: "t".into() }; buttons],
    };
    let carousel = |columns: Vec<Column>| Message::template("a", Template::Carousel { columns }).to_value();
    taken(&carousel(vec![column(true, 3); 10]));
    let columns = ".template.columns";
    refused(&carousel(vec![column(true, 1); 11]), columns, "Size must be between 1 and 10");
    refused(&carousel(vec![]), columns, "Size must be between 1 and 10");
    refused(&carousel(vec![column(true, 4)]), ".template.columns[0].actions", "Size must be between 1 and 3");
    let uneven = "must have the same number of actions in all columns";
    refused(&carousel(vec![column(false, 1), column(false, 2)]), columns, uneven);
    let titles = "must have title in all columns or in none";
    refused(&carousel(vec![column(false, 1), column(true, 1)]), columns, titles);
    limit(&carousel(vec![column(false, 1)]), "/template/columns/0/text", ".template.columns[0].text", 120, "あ");
    limit(&carousel(vec![column(true, 1)]), "/template/columns/0/text", ".template.columns[0].text", 60, "あ");
    let image = ImageColumn { image_url: URL.into(), action: Action::Uri { label: Some("l".into()), uri: URL.into() } };
    let images =
        |count| Message::template("a", Template::ImageCarousel { columns: vec![image.clone(); count] }).to_value();
    taken(&images(10));
    refused(&images(11), columns, "Size must be between 1 and 10");
    limit(&images(1), "/template/columns/0/action/label", ".template.columns[0].action.label", 12, "あ");
}

#[test]
fn actions_have_their_limits() {
    let postback = with_action(&json!({"type": "postback", "label": "l", "data": "", "displayText": "",
        "inputOption": "openKeyboard", "fillInText": ""}));
    let at = |name: &str| (format!("/template/actions/0/{name}"), format!("{ACTION}.{name}"));
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
