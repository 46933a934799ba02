//! One line of text, and IDs of other systems.

use std::fmt;

use crate::Unfit;

/// One line of text as somebody typed it: trimmed, 1 to `MAX` Unicode characters, no control characters. `Debug` shows none
/// of it, as it may be a name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line<const MAX: usize>(String);

impl<const MAX: usize> Line<MAX> {
    /// Reads a line that must be there.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a control character or a line break.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        Self::optional(text)?.ok_or(Unfit("is required"))
    }

    /// Reads a line that may be left out; what shows nothing counts as nothing: white space, and characters without a shape.
    ///
    /// # Errors
    /// When it is too long, or holds a control character or a line break.
    pub fn optional(text: &str) -> Result<Option<Self>, Unfit> {
        let text = text.trim();
        if text.chars().nth(MAX).is_some() {
            return Err(Unfit("is too long"));
        }
        if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(Unfit("holds a control character or a line break"));
        }
        let shows = text.chars().any(|c| !c.is_whitespace() && !is_invisible(c));
        Ok(shows.then(|| Self(text.to_owned())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Line<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line(..)")
    }
}

/// Characters that show nothing: the default ignorable ones (Unicode, DerivedCoreProperties), variation selectors among them.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFF8}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

/// The ID of something in the caller's own system: 1 to 200 characters, compared exactly.
pub type ExternalReference = Line<200>;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_trimmed_bounded_and_one_line() {
        assert_eq!(Line::<3>::parse(" \u{3000}山田 ").unwrap().as_str(), "山田");
        assert_eq!(Line::<3>::parse("\u{3000}"), Err(Unfit("is required")));
        for nothing in ["  ", "\u{200B}", "\u{3164}", "\u{2067} \u{2069}", "\u{E0041}"] {
            assert_eq!(Line::<3>::optional(nothing), Ok(None), "{nothing:?}");
        }
        assert_eq!(Line::<3>::parse("山田太郎"), Err(Unfit("is too long")));
        assert!(Line::<9>::parse("a\nb").is_err() && Line::<9>::parse("a\u{2028}b").is_err());
        assert_eq!(format!("{:?}", Line::<9>::parse("山田").unwrap()), "Line(..)");
    }

    proptest! {
        #[test]
        fn what_was_read_reads_the_same_again(text in "\\PC{0,30}") {
            if let Ok(Some(line)) = Line::<20>::optional(&text) {
                prop_assert!(line.as_str().chars().count() <= 20);
                prop_assert_eq!(Line::<20>::parse(line.as_str()), Ok(line));
            }
        }
    }
}
