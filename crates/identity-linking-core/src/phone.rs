//! Phone numbers, read as E.164 (<https://www.itu.int/rec/T-REC-E.164>) by the numbering plans of libphonenumber.

use std::fmt;

use chrono_tz::Tz;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};

use crate::Unfit;

/// Most characters of a number as somebody types it.
const MAX_TYPED: usize = 40;
/// Fewest digits of anything that may be called a phone number.
const MIN_DIGITS: usize = 3;

/// The country whose numbers are meant when no country code is written: that of the tenant's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallingRegion(Option<Region>);

/// What a phone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PhoneKind {
    /// A mobile phone.
    Mobile,
    /// A landline.
    Landline,
}

/// A phone number: E.164 where it can be read as one, else as it was typed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone {
    number: String,
    is_e164: bool,
    kind: Option<PhoneKind>,
}

impl CallingRegion {
    /// The region of a time zone; no region where a zone does not tell the country, so that only numbers with a country code
    /// are read.
    pub fn of_zone(zone: Tz) -> Self {
        Self(match zone {
            Tz::Asia__Tokyo | Tz::Japan => Some(Region::JP),
            Tz::Asia__Taipei | Tz::ROC => Some(Region::TW),
            Tz::Asia__Bangkok => Some(Region::TH),
            Tz::Asia__Jakarta | Tz::Asia__Makassar | Tz::Asia__Jayapura | Tz::Asia__Pontianak => Some(Region::ID),
            Tz::Asia__Seoul | Tz::ROK => Some(Region::KR),
            Tz::Asia__Hong_Kong | Tz::Hongkong => Some(Region::HK),
            Tz::Asia__Singapore | Tz::Singapore => Some(Region::SG),
            _ => None,
        })
    }
}

impl Phone {
    /// Reads a number as people type it: any width, with or without hyphens and country code. Where the numbering plan tells
    /// mobile from landline, that holds; elsewhere `stated` does.
    ///
    /// # Errors
    /// When it is empty, longer than 40 characters, or has fewer than 3 digits.
    pub fn parse(typed: &str, stated: Option<PhoneKind>, region: CallingRegion) -> Result<Self, Unfit> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(Unfit("is required"));
        }
        if typed.chars().nth(MAX_TYPED).is_some() {
            return Err(Unfit("is too long"));
        }
        if typed.chars().any(char::is_control) || typed.chars().filter(|c| c.is_numeric()).count() < MIN_DIGITS {
            return Err(Unfit("is not a phone number"));
        }
        let spelt = typed.chars().skip_while(|c| !c.is_numeric()).any(is_latin);
        let read = PHONE_NUMBER_UTIL.parse(typed, region.0).ok();
        let read = read.filter(|read| !spelt && read.is_valid());
        Ok(match read {
            None => Self { number: typed.to_owned(), is_e164: false, kind: stated },
            Some(read) => Self {
                number: read.format_as(PhoneNumberFormat::E164).into_owned(),
                is_e164: true,
                kind: match read.get_type() {
                    PhoneNumberType::Mobile => Some(PhoneKind::Mobile),
                    PhoneNumberType::FixedLine => Some(PhoneKind::Landline),
                    _ => stated,
                },
            },
        })
    }

    /// A number that was read before.
    pub fn kept(number: String, is_e164: bool, kind: Option<PhoneKind>) -> Self {
        Self { number, is_e164, kind }
    }

    /// The number: E.164, or as it was typed.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The number as E.164 (`+` and at most 15 digits), where it could be read as one. Only such numbers are compared.
    pub fn e164(&self) -> Option<&str> {
        self.is_e164.then_some(self.number.as_str())
    }

    /// Whether somebody may carry it with them: mobile phones, numbers that the plan tells nothing of, and IP phones (050 in Japan), which
    /// ring wherever one is; not what stands in a room, and no free, paid, shared or paging number.
    pub(crate) fn is_carried(&self) -> bool {
        use PhoneNumberType::{FixedLineOrMobile, Mobile, PersonalNumber, Unknown, VoIP};
        let read = self.e164().and_then(|e164| PHONE_NUMBER_UTIL.parse(e164, None).ok());
        let of_plan = read.map(|read| read.get_type());
        matches!(of_plan, Some(Mobile | FixedLineOrMobile | PersonalNumber | Unknown | VoIP))
    }

    /// What it is; none where neither the number nor anybody tells.
    pub fn kind(&self) -> Option<PhoneKind> {
        self.kind
    }
}

/// Letters that keypads have; a word among the digits is no number that somebody has.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'Ａ'..='Ｚ' | 'ａ'..='ｚ')
}

impl PhoneKind {
    /// The word it is kept as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "MOBILE",
            Self::Landline => "LANDLINE",
        }
    }

    /// The kind a kept word means.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Mobile, Self::Landline].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({:?})", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(typed: &str, zone: Tz) -> (String, Option<PhoneKind>) {
        let phone = Phone::parse(typed, None, CallingRegion::of_zone(zone)).unwrap();
        (phone.e164().unwrap_or("").to_owned(), phone.kind())
    }

    #[test]
    fn numbers_of_japan_taiwan_and_thailand_are_read_as_people_type_them() {
        let (mobile, landline) = (Some(PhoneKind::Mobile), Some(PhoneKind::Landline));
        for typed in
            ["090-1234-5678", "09012345678", "０９０ー１２３４ー５６７８", "+81 90 1234 5678", "(090) 1234 5678"]
        {
            assert_eq!(read(typed, Tz::Asia__Tokyo), ("+819012345678".to_owned(), mobile), "{typed}");
        }
        assert_eq!(read("03-1234-5678", Tz::Asia__Tokyo), ("+81312345678".to_owned(), landline));
        assert_eq!(read("0912 345 678", Tz::Asia__Taipei), ("+886912345678".to_owned(), mobile));
        assert_eq!(read("081-234-5678", Tz::Asia__Bangkok), ("+66812345678".to_owned(), mobile));
        assert_eq!(read("02-123-4567", Tz::Asia__Bangkok), ("+6621234567".to_owned(), landline));
        assert_eq!(read("+886912345678", Tz::Asia__Tokyo), ("+886912345678".to_owned(), mobile));
    }

    #[test]
    fn a_zone_that_tells_no_country_reads_only_numbers_with_a_country_code() {
        assert_eq!(read("090-1234-5678", Tz::UTC).0, "");
        assert_eq!(read("+819012345678", Tz::UTC).0, "+819012345678");
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_typed_and_never_compared() {
        let internal =
            Phone::parse("内線 1234", Some(PhoneKind::Landline), CallingRegion::of_zone(Tz::Asia__Tokyo)).unwrap();
        assert_eq!(
            (internal.number(), internal.e164(), internal.kind()),
            ("内線 1234", None, Some(PhoneKind::Landline))
        );
        for wrong in ["", "  ", "hello", "12", &"1".repeat(41), "090\n1234"] {
            assert!(Phone::parse(wrong, None, CallingRegion(None)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_numbering_plan_overrules_what_was_stated_and_ip_phones_are_what_was_stated() {
        let tokyo = CallingRegion::of_zone(Tz::Asia__Tokyo);
        let mobile = Phone::parse("090-1234-5678", Some(PhoneKind::Landline), tokyo).unwrap();
        assert_eq!(mobile.kind(), Some(PhoneKind::Mobile));
        let ip = Phone::parse("050-1234-5678", Some(PhoneKind::Landline), tokyo).unwrap();
        assert_eq!((ip.e164(), ip.kind()), (Some("+815012345678"), Some(PhoneKind::Landline)));
        assert_eq!(format!("{mobile:?}"), "Phone(Some(Mobile))");
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_e164_reads_the_same_again(text in "\\PC{0,45}") {
            let region = CallingRegion::of_zone(Tz::Asia__Tokyo);
            if let Ok(phone) = Phone::parse(&text, None, region) && let Some(e164) = phone.e164() {
                prop_assert_eq!(Phone::parse(e164, phone.kind(), CallingRegion(None)), Ok(phone));
            }
        }
    }
}
