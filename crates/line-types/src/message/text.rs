//! Text messages: <https://developers.line.biz/en/reference/messaging-api/#text-message>.

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

use super::violation::{Need, Object, Report, Unit};

/// Longest text, in UTF-16 code units.
const MAX_TEXT: usize = 5_000;
/// Most LINE emoji in one text.
const MAX_EMOJI: usize = 20;
/// Most mentions in one text.
const MAX_MENTIONS: usize = 20;
/// Most substitutions of one text.
const MAX_SUBSTITUTIONS: usize = 100;
/// Longest name of a placeholder.
const MAX_KEY: usize = 20;

/// A LINE emoji in the place of a `$` of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmojiPlace {
    /// Where the `$` stands, in UTF-16 code units from 0.
    pub index: usize,
    /// The set.
    pub product_id: String,
    /// The emoji within the set.
    pub emoji_id: String,
}

/// What stands in the place of a `{key}` of a `textV2` text.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Substitution {
    /// A mention; only in replies and pushes into groups and rooms, of members.
    Mention {
        /// Who is meant.
        mentionee: Mentionee,
    },
    /// A LINE emoji.
    Emoji {
        /// The set.
        product_id: String,
        /// The emoji within the set.
        emoji_id: String,
    },
}

/// Who is meant by a mention.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Mentionee {
    /// One user, not a bot.
    User {
        /// The user.
        user_id: String,
    },
    /// Everybody.
    All,
}

pub(super) fn check(message: &Object<'_>, report: &mut Report) {
    let text = message.text("text", Need::Required, MAX_TEXT, Unit::Utf16, report);
    quote_token(message, report);
    let Some(emojis) = message.objects("emojis", Need::Optional, 0..=MAX_EMOJI, report) else { return };
    let units: Vec<u16> = text.unwrap_or_default().encode_utf16().collect();
    let mut taken = HashSet::new();
    for emoji in &emojis {
        emoji.text("productId", Need::Required, usize::MAX, Unit::Utf16, report);
        emoji.text("emojiId", Need::Required, usize::MAX, Unit::Utf16, report);
        let Some(index) = emoji.integer("index", Need::Required, 0..=i64::MAX, report) else { continue };
        let at_dollar = usize::try_from(index).is_ok_and(|index| units.get(index) == Some(&u16::from(b'$')));
        if !at_dollar || !taken.insert(index) {
            report.add(emoji.at("index"), "must point to a $ of the text");
        }
    }
}

pub(super) fn check_v2(message: &Object<'_>, report: &mut Report) {
    let text = message.text("text", Need::Required, MAX_TEXT, Unit::Utf16, report).unwrap_or_default();
    quote_token(message, report);
    let substitution = message.object("substitution", Need::Optional, report);
    match placeholders(text) {
        None => report.add(message.at("text"), "has an unmatched brace or an invalid placeholder"),
        Some(keys) => {
            for key in keys {
                if !substitution.as_ref().is_some_and(|map| map.has(key)) {
                    report.add(message.at("substitution"), format!("{key} must be specified"));
                }
            }
        }
    }
    if let Some(substitution) = substitution {
        check_substitution(&substitution, report);
    }
}

fn check_substitution(map: &Object<'_>, report: &mut Report) {
    if map.fields.len() > MAX_SUBSTITUTIONS {
        report.add(&*map.path, format!("Size must be between 0 and {MAX_SUBSTITUTIONS}"));
        return;
    }
    let (mut mentions, mut emojis) = (0, 0);
    for (key, value) in map.fields {
        if !is_key(key) {
            report.add(&*map.path, "keys must be 1 to 20 letters, digits or underscores");
            continue;
        }
        let Some(entry) = Object::of(value, map.at(key), report) else { continue };
        match entry.one_of("type", Need::Required, &["mention", "emoji"], report) {
            Some("mention") => {
                mentions += 1;
                let Some(mentionee) = entry.object("mentionee", Need::Required, report) else { continue };
                if mentionee.one_of("type", Need::Required, &["user", "all"], report) == Some("user") {
                    mentionee.text("userId", Need::Required, usize::MAX, Unit::Utf16, report);
                }
            }
            Some("emoji") => {
                emojis += 1;
                entry.text("productId", Need::Required, usize::MAX, Unit::Utf16, report);
                entry.text("emojiId", Need::Required, usize::MAX, Unit::Utf16, report);
            }
            _ => {}
        }
    }
    if mentions > MAX_MENTIONS {
        report.add(&*map.path, format!("may hold at most {MAX_MENTIONS} mentions"));
    }
    if emojis > MAX_EMOJI {
        report.add(&*map.path, format!("may hold at most {MAX_EMOJI} emojis"));
    }
}

pub(super) fn quote_token(message: &Object<'_>, report: &mut Report) {
    message.text("quoteToken", Need::Optional, usize::MAX, Unit::Utf16, report);
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The placeholders of a `textV2` text, each once; none if a brace is unmatched or a key has another form.
fn placeholders(text: &str) -> Option<Vec<&str>> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            rest = &tail[2..];
            continue;
        }
        let inner = tail.strip_prefix('{')?;
        let (key, after) = inner.split_once('}')?;
        if !is_key(key) {
            return None;
        }
        if !keys.contains(&key) {
            keys.push(key);
        }
        rest = after;
    }
    Some(keys)
}

/// Doubles the braces of a text, so that `textV2` shows it as it is.
pub(super) fn escape_braces(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// The substitutions as an object.
pub(super) fn substitution_object(entries: impl IntoIterator<Item = (String, Substitution)>) -> Value {
    Value::Object(
        entries.into_iter().filter_map(|(key, value)| Some((key, serde_json::to_value(value).ok()?))).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn braces_pair_up() {
        assert_eq!(placeholders("Hi {user_1}! {{literal}} {user_1}{e}"), Some(vec!["user_1", "e"]));
        for text in ["{", "}", "{a", "a}", "{}", "{a b}", "{{{a}}", "{123456789012345678901}", "{é}"] {
            assert_eq!(placeholders(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn escaped_texts_have_no_placeholders(text in "[a{} ]{0,30}") {
            let escaped = escape_braces(&text);
            prop_assert_eq!(placeholders(&escaped), Some(vec![]));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC*") {
            let _ = placeholders(&text);
        }
    }
}
