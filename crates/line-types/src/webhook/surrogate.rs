//! Half characters. JSON may escape one half of a UTF-16 pair alone (`"\ud83d"`), for example where a text was cut through an
//! emoji. Rust's texts cannot hold it, and a message must not be lost by it.

use std::borrow::Cow;

/// The same JSON text with `\ufffd` in the place of every escaped half that has no other half.
pub(super) fn repaired(json: &str) -> Cow<'_, str> {
    let mut halves = Vec::new();
    let mut at = 0;
    while let Some(found) = json[at..].find('\\') {
        let start = at + found;
        at = match unit(json, start) {
            Some(0xd800..=0xdbff) if matches!(unit(json, start + 6), Some(0xdc00..=0xdfff)) => start + 12,
            Some(0xd800..=0xdfff) => {
                halves.push(start);
                start + 6
            }
            Some(_) => start + 6,
            // Another escape: a backslash and one ASCII character.
            None => start + 2,
        };
        if !json.is_char_boundary(at) {
            break;
        }
    }
    if halves.is_empty() {
        return Cow::Borrowed(json);
    }
    let mut whole = json.to_owned();
    for start in halves {
        whole.replace_range(start..start + 6, "\\ufffd");
    }
    Cow::Owned(whole)
}

/// The UTF-16 unit escaped (`\uXXXX`) at a place.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_lonely_halves_are_replaced() {
        let table = [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""a\n\uD83Dあ""#, r#""a\n\ufffdあ""#),
            (r#""\ud8"#, r#""\ud8"#),
            (r"\", r"\"),
            (r"\あ", r"\あ"),
        ];
        for (json, expected) in table {
            assert_eq!(repaired(json), expected);
        }
    }

    proptest! {
        #[test]
        fn every_text_of_units_can_be_read(units in prop::collection::vec(any::<u16>(), 0..20)) {
            let escaped: Vec<_> = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{}\"", escaped.concat());
            let read: String = serde_json::from_str(&repaired(&json)).unwrap();
            prop_assert_eq!(read, String::from_utf16_lossy(&units));
        }

        #[test]
        fn any_text_is_survived(text in "[\\\\ud8-9a-fあ\"]{0,40}") {
            prop_assert_eq!(repaired(&text).len(), text.len());
        }
    }
}
