//! What a tenant lets happen by itself when LINE users come.

use crate::matching::{Assurance, OnFirstMessage, OnNoMatch};

/// A tenant's policy. [`LinkPolicy::default`] holds for tenants that set none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkPolicy {
    /// What becomes of an attempt that matches no record (D-1).
    pub on_no_match: OnNoMatch,
    /// What a first message of a LINE user who is linked to nobody does (D-2).
    pub on_first_message: OnFirstMessage,
    /// What a link must at least be sure of, use by use (D-7).
    pub least: LeastAssurance,
}

/// What a link must at least be sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastAssurance {
    /// To chat from the customer record.
    pub chat: Assurance,
    /// To be reminded.
    pub reminder: Assurance,
    /// To see, change or cancel reservations, show a card, be logged in, or be answered without questions.
    pub personal: Assurance,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self {
            on_no_match: OnNoMatch::Create,
            on_first_message: OnFirstMessage::AskToLink,
            least: LeastAssurance {
                chat: Assurance::Name,
                reminder: Assurance::NameAndMobile,
                personal: Assurance::Proven,
            },
        }
    }
}
