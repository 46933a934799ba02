//! A person: the name and its reading, the birth date.

use chrono::{Datelike, NaiveDate};

use crate::{Line, Unfit};

/// One part of a name, as it was typed.
pub type NamePart = Line<100>;

/// How a part of a name is read, in kana.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reading(NamePart);

/// A person's name. Family and given name may each stand alone; at least one is there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonName {
    family: Option<NamePart>,
    given: Option<NamePart>,
    family_reading: Option<Reading>,
    given_reading: Option<Reading>,
}

/// The day a person was born.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BirthDate(NaiveDate);

impl Reading {
    /// Reads a reading that may be left out.
    ///
    /// # Errors
    /// When it is too long or holds anything but hiragana, katakana (full or half width), middle dots and spaces.
    pub fn optional(text: &str) -> Result<Option<Self>, Unfit> {
        let Some(line) = NamePart::optional(text)? else { return Ok(None) };
        if line.as_str().chars().all(is_kana) { Ok(Some(Self(line))) } else { Err(Unfit("is not kana")) }
    }

    /// The reading as it was typed.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PersonName {
    /// A name from its parts.
    ///
    /// # Errors
    /// When neither family nor given name is there.
    pub fn new(
        family: Option<NamePart>,
        given: Option<NamePart>,
        family_reading: Option<Reading>,
        given_reading: Option<Reading>,
    ) -> Result<Self, Unfit> {
        if family.is_none() && given.is_none() {
            return Err(Unfit("needs a family name or a given name"));
        }
        Ok(Self { family, given, family_reading, given_reading })
    }

    /// The family name; empty: none.
    pub fn family(&self) -> &str {
        self.family.as_ref().map_or("", Line::as_str)
    }

    /// The given name; empty: none.
    pub fn given(&self) -> &str {
        self.given.as_ref().map_or("", Line::as_str)
    }

    /// The family name's reading; empty: none.
    pub fn family_reading(&self) -> &str {
        self.family_reading.as_ref().map_or("", Reading::as_str)
    }

    /// The given name's reading; empty: none.
    pub fn given_reading(&self) -> &str {
        self.given_reading.as_ref().map_or("", Reading::as_str)
    }
}

impl BirthDate {
    /// The first year taken; nobody older is alive.
    const FIRST_YEAR: i32 = 1850;

    /// Reads `YYYY-MM-DD`; `today` is the day in the tenant's zone. Empty text counts as unknown.
    ///
    /// # Errors
    /// When it is not a day of the calendar, before 1850 or after today.
    pub fn optional(text: &str, today: NaiveDate) -> Result<Option<Self>, Unfit> {
        if text.is_empty() {
            return Ok(None);
        }
        let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let day = shape.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
        let day = day.ok_or(Unfit("is not a day as YYYY-MM-DD"))?;
        if day.year() < Self::FIRST_YEAR || day > today {
            return Err(Unfit("is before 1850 or after today"));
        }
        Ok(Some(Self(day)))
    }

    /// A day that was read before.
    pub fn kept(day: NaiveDate) -> Self {
        Self(day)
    }

    /// The day.
    pub fn day(self) -> NaiveDate {
        self.0
    }
}

/// Hiragana, katakana and their marks, half-width katakana, and what separates words.
fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309F}' | '\u{30A0}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' | '\u{FF65}'..='\u{FF9F}' | ' ' | '\u{3000}')
}

macro_rules! hidden {
    ($($name:ident),+) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

hidden!(Reading, PersonName, BirthDate);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_needs_one_of_its_parts() {
        let family = NamePart::optional("山田").unwrap();
        let name = PersonName::new(family, None, Reading::optional("やまだ").unwrap(), None).unwrap();
        assert_eq!((name.family(), name.given(), name.family_reading()), ("山田", "", "やまだ"));
        assert!(PersonName::new(None, None, Reading::optional("やまだ").unwrap(), None).is_err());
        assert_eq!(format!("{name:?}"), "PersonName(..)");
    }

    #[test]
    fn a_reading_is_kana_of_either_width() {
        for kana in ["やまだ", "ヤマダ", "ﾔﾏﾀﾞ", "サトー　ジョン・スミス", "ゔぁ"] {
            assert!(Reading::optional(kana).unwrap().is_some(), "{kana}");
        }
        for other in ["山田", "yamada", "やまだ1"] {
            assert_eq!(Reading::optional(other), Err(Unfit("is not kana")), "{other}");
        }
    }

    #[test]
    fn a_birth_date_is_a_day_that_has_been() {
        let today = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
        assert_eq!(BirthDate::optional("", today), Ok(None));
        assert_eq!(BirthDate::optional("2026-02-01", today).unwrap().unwrap().day(), today);
        for wrong in ["2026-02-02", "1849-12-31", "2025-02-29", "25-02-01", "2025/02/01", " 2025-2-1 ", "+025-02-01"] {
            assert!(BirthDate::optional(wrong, today).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,20}") {
            let _ = (BirthDate::optional(&text, NaiveDate::MAX), Reading::optional(&text));
        }
    }
}
