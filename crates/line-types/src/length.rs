//! How LINE counts characters: <https://developers.line.biz/en/docs/messaging-api/text-character-count/>.

use unicode_segmentation::UnicodeSegmentation;

/// Length in UTF-16 code units, LINE's default way to count. Most emoji count 2 or more.
pub fn text_length_utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Length in grapheme clusters, what a reader calls characters. LINE counts labels, button texts and titles this way.
pub fn graphemes(text: &str) -> usize {
    text.graphemes(true).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn family_emoji_is_one_grapheme_and_many_units() {
        let family = "👨‍👩‍👧‍👦";
        assert_eq!(graphemes(family), 1);
        assert_eq!(text_length_utf16(family), 11);
        assert_eq!(text_length_utf16("が"), 1);
        assert_eq!(text_length_utf16("\u{304b}\u{3099}"), 2);
        assert_eq!(graphemes("\u{304b}\u{3099}"), 1);
    }

    proptest! {
        #[test]
        fn a_text_never_has_more_graphemes_than_units(text in "\\PC*") {
            prop_assert!(graphemes(&text) <= text_length_utf16(&text));
            prop_assert!(text_length_utf16(&text) <= text.len());
        }
    }
}
