//! What becomes of an attempt.

use kernel::CustomerId;
use serde::{Deserialize, Serialize};

use crate::word::words;

words! {
    /// What became of an attempt (L-01).
    Outcome {
        /// Linked to the one customer it matches.
        Linked = "LINKED",
        /// The LINE user was linked already; nothing changed.
        AlreadyLinked = "ALREADY_LINKED",
        /// A customer of its own was linked: a new provisional one (D-1), or the one made at submission.
        CreatedNew = "CREATED_NEW",
        /// Waits in the review queue.
        Held = "HELD",
        /// Nothing was linked.
        Refused = "REFUSED",
    }
}

words! {
    /// Why an attempt ended as it did (L-01).
    Reason {
        /// It matched; there is nothing to explain.
        None = "NONE",
        /// No record is like it.
        NoMatch = "NO_MATCH",
        /// A record has the mobile number, or nearly the name, and the name differs.
        NameMismatch = "NAME_MISMATCH",
        /// A record has the name, and the mobile number differs.
        PhoneMismatch = "PHONE_MISMATCH",
        /// Several records have the name (D-5).
        AmbiguousName = "AMBIGUOUS_NAME",
        /// Several records have name and mobile number (D-5).
        AmbiguousNameAndMobile = "AMBIGUOUS_NAME_AND_MOBILE",
        /// The customer is linked to another LINE user (D-6).
        CustomerHasOtherLineUser = "CUSTOMER_HAS_OTHER_LINE_USER",
        /// The LINE user is linked to another customer.
        LineUserHasOtherCustomer = "LINE_USER_HAS_OTHER_CUSTOMER",
        /// The tenant holds what does not match (D-1).
        PolicyHold = "POLICY_HOLD",
        /// LINE did not confirm that the LINE user submitted it.
        NotConfirmedByLine = "NOT_CONFIRMED_BY_LINE",
        /// The form token had expired.
        TokenExpired = "TOKEN_EXPIRED",
        /// The form token had been used.
        TokenUsed = "TOKEN_USED",
        /// Too many attempts.
        RateLimited = "RATE_LIMITED",
        /// The official account is not connected (F-04).
        AccountNotConnected = "ACCOUNT_NOT_CONNECTED",
    }
}

words! {
    /// Why an attempt is refused before anything is compared.
    Refusal {
        /// LINE did not confirm that the LINE user submitted it: somebody else opened the page, or no confirmation came.
        NotConfirmedByLine = "NOT_CONFIRMED_BY_LINE",
        /// The form token had expired.
        TokenExpired = "TOKEN_EXPIRED",
        /// The form token had been used.
        TokenUsed = "TOKEN_USED",
        /// Too many attempts.
        RateLimited = "RATE_LIMITED",
        /// The official account is not connected (F-04).
        AccountNotConnected = "ACCOUNT_NOT_CONNECTED",
    }
}

words! {
    /// How sure it is that a customer and a LINE user are the same person: a later one is surer (D-7).
    #[derive(PartialOrd, Ord)]
    Assurance {
        /// The name was given as the record has it.
        Name = "NAME",
        /// Name and mobile number were given as the record has them.
        NameAndMobile = "NAME_AND_MOBILE",
        /// Known for certain: a record this LINE user made himself and nobody else told anything of (see
        /// [`Link::told_by`](crate::link::Link::told_by)), a member login at the company, or staff confirmed it.
        Proven = "PROVEN",
    }
}

words! {
    /// What makes two customers look like one (F-17).
    #[derive(PartialOrd, Ord)]
    DuplicateSign {
        /// The same name.
        SameName = "SAME_NAME",
        /// One's name is the other's reading.
        SameReading = "SAME_READING",
        /// The same name but for variant characters.
        VariantName = "VARIANT_NAME",
        /// The same mobile number.
        SameMobile = "SAME_MOBILE",
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Nothing: every link stays as it is.
    Nothing,
    /// Link the LINE user, who is linked to nobody, to a customer who is linked to nobody.
    Link {
        /// The customer.
        customer: CustomerId,
        /// How sure the link is.
        assurance: Assurance,
    },
    /// Make a provisional customer of what was typed and link the LINE user to it.
    Create {
        /// How sure the link is.
        assurance: Assurance,
    },
    /// Link the LINE user to the customer that was made at submission.
    LinkOwnRecord {
        /// The customer.
        customer: CustomerId,
        /// How sure the link is.
        assurance: Assurance,
    },
    /// Merge the LINE user's provisional customer into the one that matched; the link moves there (D-9).
    Absorb {
        /// The customer that matched and stays.
        survivor: CustomerId,
        /// The provisional customer.
        absorbed: CustomerId,
        /// How sure the link to the survivor is.
        assurance: Assurance,
    },
    /// Put it into the review queue.
    Hold,
    /// The same: who matches was told apart from the LINE user before, and only staff can say that it was wrong.
    HoldToldApart,
    /// Hold it for review: staff made somebody else of the record that was made at submission.
    HoldChanged,
    /// Ask the LINE user whom the customer is linked to, and staff, whether the asking one takes over (L-03).
    OpenTakeover {
        /// The customer.
        customer: CustomerId,
    },
}

/// Two customers that may be one person.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Suspicion {
    /// One of them; none: the customer that [`Action::Create`] makes.
    pub customer: Option<CustomerId>,
    /// The other.
    pub other: CustomerId,
    /// Why, at least one, each once, in the order of [`DuplicateSign::ALL`].
    pub signs: Vec<DuplicateSign>,
}

/// A decision. Equal cases have equal decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Decision {
    /// What becomes of the attempt.
    pub outcome: Outcome,
    /// Why; [`Reason::None`] exactly for what is linked, and for what was linked already and needs no words.
    pub reason: Reason,
    /// What is to be done.
    pub action: Action,
    /// What is to be filed for staff, each pair once, the nearest first.
    pub suspicions: Vec<Suspicion>,
}

impl Outcome {
    /// Whether a link begins with it.
    pub fn begins_link(self) -> bool {
        matches!(self, Self::Linked | Self::CreatedNew)
    }
}

impl Refusal {
    /// The reason it is told as.
    pub fn reason(self) -> Reason {
        match self {
            Self::NotConfirmedByLine => Reason::NotConfirmedByLine,
            Self::TokenExpired => Reason::TokenExpired,
            Self::TokenUsed => Reason::TokenUsed,
            Self::RateLimited => Reason::RateLimited,
            Self::AccountNotConnected => Reason::AccountNotConnected,
        }
    }
}

impl Decision {
    /// The decision on an attempt that is refused before anything is compared.
    pub fn refused(refusal: Refusal) -> Self {
        Self::bare(Outcome::Refused, refusal.reason(), Action::Nothing)
    }

    /// A decision that files no suspicion.
    pub(super) fn bare(outcome: Outcome, reason: Reason, action: Action) -> Self {
        Self { outcome, reason, action, suspicions: Vec::new() }
    }
}

impl Action {
    /// Whether it would give the LINE user a customer that was there before, or ask for it.
    pub fn reaches_for_a_customer(self) -> bool {
        matches!(self, Self::Link { .. } | Self::Absorb { .. } | Self::OpenTakeover { .. })
    }

    /// The customer the LINE user is linked to by it, where that customer is there already.
    pub fn linked_customer(self) -> Option<CustomerId> {
        match self {
            Self::Link { customer, .. }
            | Self::LinkOwnRecord { customer, .. }
            | Self::Absorb { survivor: customer, .. } => Some(customer),
            Self::Nothing
            | Self::Create { .. }
            | Self::Hold
            | Self::HoldToldApart
            | Self::HoldChanged
            | Self::OpenTakeover { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_own_word_and_does_nothing() {
        for refusal in Refusal::ALL {
            let decision = Decision::refused(*refusal);
            assert_eq!((decision.outcome, decision.action), (Outcome::Refused, Action::Nothing));
            assert_eq!(decision.reason.as_str(), refusal.as_str());
        }
    }

    #[test]
    fn a_later_assurance_is_surer() {
        assert!(Assurance::Name < Assurance::NameAndMobile && Assurance::NameAndMobile < Assurance::Proven);
    }
}
