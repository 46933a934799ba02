//! What is wrong with a message object or a rich menu, and the reader that finds it.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::length::{graphemes, text_length_utf16};

/// Most violations reported of one request; the rest would help nobody.
const MAX_VIOLATIONS: usize = 50;

/// One reason why LINE would refuse a message or a rich menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where, as LINE writes it, for example `messages[0].text`.
    pub property: String,
    /// Why, as LINE would say it, for example `Length must be between 0 and 5000`. Repeats nothing of the content.
    pub message: String,
}

/// Collects violations.
pub(crate) struct Report {
    found: Vec<Violation>,
    /// What LINE says of a property that is not there.
    absent: &'static str,
}

impl Default for Report {
    fn default() -> Self {
        Self::saying("May not be empty")
    }
}

impl Report {
    /// A report with other words for a property that is not there.
    pub(crate) fn saying(absent: &'static str) -> Self {
        Self { found: Vec::new(), absent }
    }

    pub(crate) fn add(&mut self, property: impl Into<String>, message: impl Into<String>) {
        if self.found.len() < MAX_VIOLATIONS {
            self.found.push(Violation { property: property.into(), message: message.into() });
        }
    }

    pub(crate) fn into_violations(self) -> Vec<Violation> {
        self.found
    }
}

/// How a length is counted.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Utf16,
    Graphemes,
}

impl Unit {
    fn count(self, text: &str) -> usize {
        match self {
            Self::Utf16 => text_length_utf16(text),
            Self::Graphemes => graphemes(text),
        }
    }
}

/// Whether a property must be there.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// Longest address of media and pictures, in characters.
pub(crate) const MAX_URL: usize = 2_000;

/// An object within a message or a rich menu, with its path.
#[derive(Clone)]
pub(crate) struct Object<'v> {
    pub(crate) fields: &'v Map<String, Value>,
    pub(crate) path: String,
}

impl<'v> Object<'v> {
    /// Takes a value as an object, or reports that it is none.
    pub(crate) fn of(value: &'v Value, path: String, report: &mut Report) -> Option<Self> {
        if let Value::Object(fields) = value {
            Some(Self { fields, path })
        } else {
            report.add(path, "must be an object");
            None
        }
    }

    /// The path of a property.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A property; null counts as absent, as it does at LINE.
    pub(crate) fn get(&self, name: &str) -> Option<&'v Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn needed(&self, name: &str, need: Need, report: &mut Report) -> Option<&'v Value> {
        let value = self.get(name);
        if value.is_none() && need == Need::Required {
            report.add(self.at(name), report.absent);
        }
        value
    }

    /// A text of any length.
    pub(crate) fn string(&self, name: &str, need: Need, report: &mut Report) -> Option<&'v str> {
        let value = self.needed(name, need, report)?;
        let text = value.as_str();
        if text.is_none() {
            report.add(self.at(name), "must be a string");
        }
        text
    }

    /// A text of 1 to `max` (an optional one may be empty).
    pub(crate) fn text(&self, name: &str, need: Need, max: usize, unit: Unit, report: &mut Report) -> Option<&'v str> {
        let text = self.string(name, need, report)?;
        if text.is_empty() && need == Need::Required {
            report.add(self.at(name), "May not be empty");
        }
        if unit.count(text) > max {
            report.add(self.at(name), format!("Length must be between 0 and {max}"));
        }
        Some(text)
    }

    /// An https address.
    pub(crate) fn https(&self, name: &str, need: Need, max: usize, report: &mut Report) {
        let Some(text) = self.text(name, need, max, Unit::Utf16, report) else { return };
        if !text.is_empty() {
            self.scheme(name, text, &["https"], report);
        }
    }

    /// Whether an address reads as one, percent-encoded
    /// (<https://developers.line.biz/en/reference/messaging-api/#url-encoding>), and has one of the schemes.
    pub(crate) fn scheme(&self, name: &str, text: &str, schemes: &[&str], report: &mut Report) {
        let encoded = text.bytes().all(|b| b.is_ascii_graphic());
        match url::Url::parse(text) {
            Ok(url) if encoded && !schemes.contains(&url.scheme()) => report.add(self.at(name), "invalid uri scheme"),
            // The parser forgives `https:example.com`, which LINE does not.
            Ok(url) if encoded && (!url.is_special() || text.contains("://")) => {}
            _ => report.add(self.at(name), "invalid uri"),
        }
    }

    /// One of some words.
    pub(crate) fn one_of(&self, name: &str, need: Need, words: &[&str], report: &mut Report) -> Option<&'v str> {
        let text = self.string(name, need, report)?;
        if !words.contains(&text) {
            report.add(self.at(name), format!("must be one of the following values: [{}]", words.join(", ")));
        }
        Some(text)
    }

    /// A whole number within a range.
    pub(crate) fn integer(
        &self,
        name: &str,
        need: Need,
        range: RangeInclusive<i64>,
        report: &mut Report,
    ) -> Option<i64> {
        let value = self.needed(name, need, report)?;
        let number = value.as_i64();
        match number {
            None => report.add(self.at(name), "must be an integer"),
            Some(number) if !range.contains(&number) => {
                report.add(self.at(name), format!("must be between {} and {}", range.start(), range.end()));
            }
            Some(_) => {}
        }
        number
    }

    /// Yes or no.
    pub(crate) fn boolean(&self, name: &str, need: Need, report: &mut Report) {
        if self.needed(name, need, report).is_some_and(|value| !value.is_boolean()) {
            report.add(self.at(name), "must be a boolean");
        }
    }

    /// A number within a range.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<f64>, report: &mut Report) {
        match self.needed(name, Need::Required, report).map(Value::as_f64) {
            Some(None) => report.add(self.at(name), "must be a number"),
            Some(Some(number)) if !range.contains(&number) => {
                report.add(self.at(name), format!("must be between {} and {}", range.start(), range.end()));
            }
            _ => {}
        }
    }

    /// An object within this one.
    pub(crate) fn object(&self, name: &str, need: Need, report: &mut Report) -> Option<Self> {
        Self::of(self.needed(name, need, report)?, self.at(name), report)
    }

    /// The objects of a list of a size within a range.
    pub(crate) fn objects(
        &self,
        name: &str,
        need: Need,
        size: RangeInclusive<usize>,
        report: &mut Report,
    ) -> Option<Vec<Self>> {
        let value = self.needed(name, need, report)?;
        let Value::Array(entries) = value else {
            report.add(self.at(name), "must be an array");
            return None;
        };
        if !size.contains(&entries.len()) {
            report.add(self.at(name), format!("Size must be between {} and {}", size.start(), size.end()));
        }
        // Entries beyond the limit are not read: they would only repeat the reason.
        let entries = entries.iter().take(*size.end()).enumerate();
        Some(entries.filter_map(|(i, entry)| Self::of(entry, format!("{}[{i}]", self.at(name)), report)).collect())
    }

    /// A colour `#RRGGBB`, with opacity (`#RRGGBBAA`) where that is allowed.
    pub(crate) fn color(&self, name: &str, opacity: bool, report: &mut Report) {
        let Some(text) = self.string(name, Need::Optional, report) else { return };
        let digits = text.strip_prefix('#').filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if !digits.is_some_and(|digits| digits.len() == 6 || (opacity && digits.len() == 8)) {
            report.add(self.at(name), "invalid color");
        }
    }
}
