//! Where a customer can be found (F-02).

use crate::{Line, Unfit};

/// What an address is (F-02).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Home.
    Home,
    /// Workplace.
    Workplace,
    /// Other.
    Other,
}

/// An address. `Debug` shows none of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// What it is; none: not stated.
    pub kind: Option<AddressKind>,
    /// Postal code.
    pub postal_code: Option<Line<20>>,
    /// Prefecture or state.
    pub region: Option<Line<100>>,
    /// City, ward, town.
    pub locality: Option<Line<200>>,
    /// The rest.
    pub street: Option<Line<300>>,
}

impl Address {
    /// The address, if it says anything.
    ///
    /// # Errors
    /// When every part is missing.
    pub fn checked(self) -> Result<Self, Unfit> {
        let says_something =
            self.postal_code.is_some() || self.region.is_some() || self.locality.is_some() || self.street.is_some();
        if says_something { Ok(self) } else { Err(Unfit("is empty")) }
    }
}

impl AddressKind {
    /// The word it is kept as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Home => "HOME",
            Self::Workplace => "WORKPLACE",
            Self::Other => "OTHER",
        }
    }

    /// The kind a kept word means.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Home, Self::Workplace, Self::Other].into_iter().find(|kind| kind.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_something() {
        let empty =
            Address { kind: Some(AddressKind::Home), postal_code: None, region: None, locality: None, street: None };
        assert_eq!(empty.clone().checked(), Err(Unfit("is empty")));
        assert!(Address { region: Line::optional("東京都").unwrap(), ..empty }.checked().is_ok());
    }

    #[test]
    fn every_kind_is_found_by_its_word() {
        for kind in [AddressKind::Home, AddressKind::Workplace, AddressKind::Other] {
            assert_eq!(AddressKind::named(kind.as_str()), Some(kind));
        }
    }
}
