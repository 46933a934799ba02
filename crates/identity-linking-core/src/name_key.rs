//! Names as they are compared: what people type differently without meaning another name is folded away.

use crate::word::words;
use crate::{PersonName, kana, name_fold};

/// Most characters of a key. What is longer is no person's name and has the empty key.
pub const MAX_NAME_KEY: usize = 200;

words! {
    /// How two names are to each other; an earlier one is nearer.
    #[derive(PartialOrd, Ord)]
    Likeness {
        /// The same, but for width, case, spaces, kana, and where family and given name part.
        Same = "SAME",
        /// Typed in kana as the record's reading, or the record in kana as the typed reading.
        Reading = "READING",
        /// The same but for variant characters, such as 髙 and 高; never links by itself.
        Variant = "VARIANT",
        /// Another name.
        Other = "OTHER",
    }
}

/// A name as it is compared, at most [`MAX_NAME_KEY`] characters; empty for a name of nothing but symbols, which matches nothing.
/// `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameKey(String);

/// What a name is found and compared by.
///
/// The records that can be near a typed name are those whose `exact` is its `exact` or its `reading`, whose `reading` is its
/// `exact`, or whose `variant` is its `variant`. An empty key is never looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameKeys {
    /// The whole name, family name first.
    pub exact: NameKey,
    /// How the whole name is read, in katakana; none where that of a part is not known.
    pub reading: Option<NameKey>,
    /// The exact key with variant characters folded to one of them.
    pub variant: NameKey,
}

impl NameKey {
    /// A key that was kept.
    pub fn kept(key: String) -> Self {
        Self(key)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it matches nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both are of the same name.
    fn matches(&self, other: &Self) -> bool {
        self == other && !self.is_empty()
    }
}

impl NameKeys {
    /// The keys of a name.
    ///
    /// The family name comes first, as it does in the record. A name whose words come the other way round, as `Taro Yamada`
    /// typed into one field, has other keys: which word is the family name cannot be told, and nothing is guessed.
    pub fn of(name: &PersonName) -> Self {
        let exact = name_fold::exact(&format!("{} {}", name.family(), name.given()));
        let parts = [(name.family(), name.family_reading()), (name.given(), name.given_reading())];
        let reading = parts.map(|(part, reading)| reading_of(part, reading));
        let reading = match reading {
            [Some(family), Some(given)] => Some(name_fold::exact(&format!("{family} {given}"))),
            _ => None,
        };
        Self {
            variant: NameKey(bounded(name_fold::variant(&exact))),
            exact: NameKey(bounded(exact)),
            reading: reading.map(|reading| NameKey(bounded(reading))).filter(|reading| !reading.is_empty()),
        }
    }

    /// How a typed name is to that of a record; the other way round it is the same.
    pub fn likeness(&self, record: &Self) -> Likeness {
        let is_reading = |one: &Self, other: &Self| other.reading.as_ref().is_some_and(|kana| kana.matches(&one.exact));
        if self.exact.matches(&record.exact) {
            Likeness::Same
        } else if is_reading(self, record) || is_reading(record, self) {
            Likeness::Reading
        } else if self.variant.matches(&record.variant)
            || is_near_reading(self, record)
            || is_near_reading(record, self)
        {
            Likeness::Variant
        } else {
            Likeness::Other
        }
    }
}

/// How a part of a name is read: as is said, or as it is written where that is kana; nothing for a part that is not there.
fn reading_of(part: &str, reading: &str) -> Option<String> {
    let said = name_fold::exact(reading);
    if !said.is_empty() {
        return Some(said);
    }
    let written = name_fold::exact(part);
    written.chars().all(kana::is_katakana).then_some(written)
}

/// Whether a name is the other's reading but for variant kana.
fn is_near_reading(one: &NameKeys, other: &NameKeys) -> bool {
    let reading = other.reading.as_ref();
    reading.is_some_and(|kana| !kana.is_empty() && name_fold::variant(kana.as_str()) == one.variant.as_str())
}

/// A key of a bearable length, or none.
fn bounded(key: String) -> String {
    if key.chars().nth(MAX_NAME_KEY).is_some() { String::new() } else { key }
}

impl std::fmt::Debug for NameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameKey(..)")
    }
}

#[cfg(test)]
mod tests;
