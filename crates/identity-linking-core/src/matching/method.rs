//! How a LINE user asked to be linked, and what is compared for it.

use super::Assurance;
use crate::Likeness;
use crate::word::words;

words! {
    /// How a LINE user asked to be linked.
    LinkMethod {
        /// The inquiry form: the name alone is compared (F-11).
        InquiryForm = "INQUIRY_FORM",
        /// The link form of the reservation menu: name and mobile number (F-14).
        LinkForm = "LINK_FORM",
        /// A booking page: name and mobile number (F-15, F-44).
        BookingPage = "BOOKING_PAGE",
        /// A landing page: name and mobile number (F-16).
        LandingPage = "LANDING_PAGE",
        /// A first message, where the tenant registers who writes (D-2). Nothing is compared.
        FirstMessage = "FIRST_MESSAGE",
    }
}

impl LinkMethod {
    /// Whether the name belongs to its key.
    pub fn compares_name(self) -> bool {
        self != Self::FirstMessage
    }

    /// Whether the mobile number belongs to its key.
    pub fn compares_mobile(self) -> bool {
        matches!(self, Self::LinkForm | Self::BookingPage | Self::LandingPage)
    }

    /// How sure a link is that its whole key gave (D-7).
    pub fn assurance(self) -> Assurance {
        if self.compares_mobile() { Assurance::NameAndMobile } else { Assurance::Name }
    }

    /// Whether a record whose name is that near, and that has the mobile number or not, is on its whole key. A reading stands
    /// for a name only together with the number; a variant never does.
    pub fn is_whole_key(self, name: Likeness, has_mobile: bool) -> bool {
        match self {
            Self::InquiryForm => name == Likeness::Same,
            Self::LinkForm | Self::BookingPage | Self::LandingPage => {
                has_mobile && matches!(name, Likeness::Same | Likeness::Reading)
            }
            Self::FirstMessage => false,
        }
    }
}
