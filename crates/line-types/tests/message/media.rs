//! Addresses, single things, imagemaps.

use line_types::message::{Area, BaseSize, ImagemapAction, Message, MessageBody};
use serde_json::json;

use crate::{URL, limit, refused, taken};

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
