//! What somebody writes in the inquiry form. It is shown in the conversation whatever becomes of the link (F-11).

use std::fmt;

use kernel::{AccountId, FriendId};

use crate::text::is_invisible;
use crate::word::words;
use crate::{Line, Unfit};

/// Most characters of an inquiry.
pub const LONGEST_INQUIRY: usize = 1_000;

words! {
    /// What LINE said of who wrote an inquiry.
    InquiryState {
        /// LINE has not said yet, or never will.
        Unconfirmed = "UNCONFIRMED",
        /// The LINE user the form was given to wrote it.
        Confirmed = "CONFIRMED",
        /// Somebody else wrote it: the form's address was forwarded.
        Refuted = "REFUTED",
    }
}

/// The text of an inquiry: 1 to [`LONGEST_INQUIRY`] characters in any number of lines. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct InquiryText(String);

/// An inquiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The account.
    pub account: AccountId,
    /// The LINE user whom the form was given to.
    pub friend: FriendId,
    /// The name as it was typed.
    pub name: Line<201>,
    /// The text as it was typed.
    pub text: InquiryText,
    /// What LINE said of who wrote it.
    pub state: InquiryState,
}

impl InquiryText {
    /// Reads a text: trimmed, line breaks as `\n`.
    ///
    /// # Errors
    /// When it is empty, too long, or holds a control character other than a line break or a tab.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim();
        if text.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
            return Err(Unfit("is required"));
        }
        if text.chars().nth(LONGEST_INQUIRY).is_some() {
            return Err(Unfit("is too long"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Unfit("holds a control character"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InquiryText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InquiryText(..)")
    }
}

impl Inquiry {
    /// The inquiry after LINE's word. The first word holds.
    #[must_use]
    pub fn told(self, state: InquiryState) -> Self {
        if self.state == InquiryState::Unconfirmed { Self { state, ..self } } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_may_have_lines_and_no_other_control_characters() {
        assert_eq!(InquiryText::parse(" 一\r\n二\r三 ").unwrap().as_str(), "一\n二\n三");
        assert_eq!(InquiryText::parse(" \n "), Err(Unfit("is required")));
        assert!(InquiryText::parse(&"あ".repeat(1_000)).is_ok() && InquiryText::parse(&"あ".repeat(1_001)).is_err());
        assert!(InquiryText::parse("a\0b").is_err());
    }

    proptest! {
        #[test]
        fn what_was_read_reads_the_same_again(text in "[\\PC\\n\\r\\t]{0,40}") {
            if let Ok(read) = InquiryText::parse(&text) {
                prop_assert_eq!(InquiryText::parse(read.as_str()), Ok(read));
            }
        }
    }
}
