//! Texts, their emoji and placeholders.

use line_types::message::{EmojiPlace, Mentionee, Message, MessageBody, Substitution};
use serde_json::json;

use crate::{limit, refused, taken};

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
