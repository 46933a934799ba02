//! What a tenant lets happen by itself when LINE users come.

use crate::word::words;

words! {
    /// What becomes of an attempt that matches no record (D-1).
    OnNoMatch {
        /// A new provisional customer is made and linked; the default.
        Create = "CREATE",
        /// It waits in the review queue.
        Hold = "HOLD",
    }
}

words! {
    /// What a first message of a LINE user who is linked to nobody does (D-2).
    OnFirstMessage {
        /// A provisional customer is made of the name shown on LINE, and linked.
        Register = "REGISTER",
        /// The link card is sent, once; the default.
        AskToLink = "ASK_TO_LINK",
        /// Nothing.
        Ignore = "IGNORE",
    }
}

#[expect(clippy::derivable_impls, reason = "a default variant cannot be marked within the words")]
impl Default for OnNoMatch {
    fn default() -> Self {
        Self::Create
    }
}

#[expect(clippy::derivable_impls, reason = "a default variant cannot be marked within the words")]
impl Default for OnFirstMessage {
    fn default() -> Self {
        Self::AskToLink
    }
}
