//! What a tenant itself recorded of a LINE user (F-02). LINE tells none of it (D-12), and none of it touches a customer.

use crate::{CallingRegion, Line, Phone, Unfit};

/// Gender as recorded; unknown where not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gender {
    /// Male.
    Male,
    /// Female.
    Female,
}

/// What is recorded of a friend; nothing is ever guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FriendAttributes {
    /// Mobile number, E.164.
    pub mobile_number: Option<MobileNumber>,
    /// Gender.
    pub gender: Option<Gender>,
    /// Age in years.
    pub age: Option<Age>,
    /// Prefecture.
    pub prefecture: Option<Line<100>>,
}

/// A mobile number, E.164. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MobileNumber(String);

/// An age in whole years, 1 to 150.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Age(u8);

impl MobileNumber {
    /// Reads a mobile number that may be left out.
    ///
    /// # Errors
    /// When it cannot be read as a number, or the numbering plan says that nobody carries it: a landline, a free or a paging number.
    pub fn optional(typed: &str, region: CallingRegion) -> Result<Option<Self>, Unfit> {
        if typed.trim().is_empty() {
            return Ok(None);
        }
        let phone = Phone::parse(typed, None, region)?;
        match phone.e164() {
            Some(e164) if phone.is_carried() => Ok(Some(Self(e164.to_owned()))),
            _ => Err(Unfit("is not a mobile number")),
        }
    }

    /// A number that was read before.
    pub fn kept(e164: String) -> Self {
        Self(e164)
    }

    /// The number as E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for MobileNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MobileNumber(..)")
    }
}

impl Age {
    /// Reads an age; 0 counts as unknown.
    ///
    /// # Errors
    /// When it is negative or above 150.
    pub fn optional(years: i32) -> Result<Option<Self>, Unfit> {
        match u8::try_from(years) {
            Ok(0) => Ok(None),
            Ok(years) if years <= 150 => Ok(Some(Self(years))),
            _ => Err(Unfit("is not 0 to 150")),
        }
    }

    /// The age in years.
    pub fn years(self) -> u8 {
        self.0
    }
}

impl Gender {
    /// The word it is kept and told as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Male => "MALE",
            Self::Female => "FEMALE",
        }
    }

    /// Reads `MALE`, `FEMALE`, or nothing for unknown.
    ///
    /// # Errors
    /// When it is another word.
    pub fn optional(word: &str) -> Result<Option<Self>, Unfit> {
        match word {
            "" => Ok(None),
            "MALE" => Ok(Some(Self::Male)),
            "FEMALE" => Ok(Some(Self::Female)),
            _ => Err(Unfit("is not MALE, FEMALE or empty")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mobile_number_is_e164_and_no_landline() {
        let tokyo = CallingRegion::of_zone(chrono_tz::Tz::Asia__Tokyo);
        assert_eq!(MobileNumber::optional("090-1234-5678", tokyo).unwrap().unwrap().as_str(), "+819012345678");
        assert_eq!(MobileNumber::optional(" ", tokyo), Ok(None));
        assert!(MobileNumber::optional("050-1234-5678", tokyo).is_ok(), "it rings wherever its owner is");
        for wrong in ["03-1234-5678", "0120-444-444", "0570-000-123", "内線 123", "090-1234-LOVE", "090-1234-ＬＯＶＥ"]
        {
            assert!(MobileNumber::optional(wrong, tokyo).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_is_nothing_and_nonsense_is_refused() {
        assert_eq!((Age::optional(0), Gender::optional("")), (Ok(None), Ok(None)));
        assert_eq!(Age::optional(150).unwrap().map(Age::years), Some(150));
        assert!(Age::optional(-1).is_err() && Age::optional(151).is_err() && Age::optional(300).is_err());
        assert_eq!(Gender::optional("FEMALE"), Ok(Some(Gender::Female)));
        assert!(Gender::optional("male").is_err());
    }
}
