//! Every word the pages say, in one shape for all languages.

mod en;
mod ja;

use super::language::Language;
use crate::linking::form::{Form, FormField, Wrong};

/// The words of one language.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct Texts {
    /// The language's tag (BCP 47).
    pub(super) lang: &'static str,
    /// The other language's tag.
    pub(super) other_lang: &'static str,
    /// The other language's name, in itself.
    pub(super) other_name: &'static str,
    /// The forms.
    inquiry: FormTexts,
    link: FormTexts,
    staff: FormTexts,
    /// The fields.
    family: FieldTexts,
    given: FieldTexts,
    mobile: FieldTexts,
    text: FieldTexts,
    code: FieldTexts,
    /// Which fields must be filled in.
    pub(super) required: &'static str,
    /// Heads the list of wrong fields.
    pub(super) summary: &'static str,
    /// Before the title where something is wrong.
    pub(super) title_wrong: &'static str,
    /// Heads what is told about the data.
    pub(super) about: &'static str,
    /// That the link can be ended at any time, and where.
    pub(super) unlinking: &'static str,
    /// Who can end a staff member's binding.
    pub(super) unbinding: &'static str,
    /// That LINE asks for confirmation.
    pub(super) confirming: &'static str,
    /// Above the form where what was typed could not be taken for now.
    away_kept: &'static str,
    too_many_kept: &'static str,
    /// Over what was written, where it is given back; and what it is given back for.
    pub(super) returned: &'static str,
    pub(super) returned_hint: &'static str,
    /// Pages without a form.
    taken: NoticeTexts,
    gone: NoticeTexts,
    too_many: NoticeTexts,
    away: NoticeTexts,
    not_ours: NoticeTexts,
    too_large: NoticeTexts,
}

/// The words of a form.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct FormTexts {
    pub(super) heading: &'static str,
    pub(super) lead: &'static str,
    pub(super) button: &'static str,
    /// What the data are used for.
    pub(super) purpose: &'static str,
}

/// The words of a field.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct FieldTexts {
    pub(super) label: &'static str,
    /// How it is to be filled in; empty: the label says it all.
    pub(super) hint: &'static str,
    /// When it is left empty; empty: it may be.
    missing: &'static str,
    too_long: &'static str,
    unfit: &'static str,
}

/// The words of a page without a form.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Serialize))]
pub(super) struct NoticeTexts {
    pub(super) heading: &'static str,
    pub(super) text: &'static str,
}

/// A page without a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The shop has the inquiry, and nothing new comes of it.
    Taken,
    /// Unknown, expired, used, foreign or malformed token: nobody learns which.
    Gone,
    /// Too many requests.
    TooMany,
    /// The service, or LINE, is away.
    Away,
    /// No page of ours sent the request.
    NotOurs,
    /// More was sent than is taken.
    TooLarge,
}

/// Why what was typed was not taken, although nothing is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// LINE or the database is away.
    Away,
    /// Too many submissions.
    TooMany,
}

impl FieldTexts {
    /// Whether something must be typed into it.
    pub(super) fn is_required(&self) -> bool {
        !self.missing.is_empty()
    }
}

impl Texts {
    /// The words of a language.
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Japanese => &ja::TEXTS,
            Language::English => &en::TEXTS,
        }
    }

    pub(super) fn form(&self, form: Form) -> &FormTexts {
        match form {
            Form::Inquiry => &self.inquiry,
            Form::Link => &self.link,
            Form::Staff => &self.staff,
        }
    }

    /// How what comes of a form is ended again.
    pub(super) fn ending(&self, form: Form) -> &'static str {
        match form {
            Form::Inquiry | Form::Link => self.unlinking,
            Form::Staff => self.unbinding,
        }
    }

    pub(super) fn field(&self, field: FormField) -> &FieldTexts {
        match field {
            FormField::Family => &self.family,
            FormField::Given => &self.given,
            FormField::Mobile => &self.mobile,
            FormField::Text => &self.text,
            FormField::Code => &self.code,
        }
    }

    /// What is wrong with a field.
    pub(super) fn wrong(&self, field: FormField, wrong: Wrong) -> &'static str {
        let texts = self.field(field);
        match wrong {
            Wrong::Missing => texts.missing,
            Wrong::TooLong => texts.too_long,
            Wrong::NotMobile | Wrong::Unfit => texts.unfit,
        }
    }

    pub(super) fn notice(&self, notice: Notice) -> &NoticeTexts {
        match notice {
            Notice::Taken => &self.taken,
            Notice::Gone => &self.gone,
            Notice::TooMany => &self.too_many,
            Notice::Away => &self.away,
            Notice::NotOurs => &self.not_ours,
            Notice::TooLarge => &self.too_large,
        }
    }

    pub(super) fn kept(&self, kept: Kept) -> &'static str {
        match kept {
            Kept::Away => self.away_kept,
            Kept::TooMany => self.too_many_kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Each text with its path.
    fn told(value: &Value, path: &str, into: &mut Vec<(String, String)>) {
        match value {
            Value::Object(parts) => parts.iter().for_each(|(name, part)| told(part, &format!("{path}.{name}"), into)),
            Value::String(text) => into.push((path.to_owned(), text.clone())),
            other => panic!("{path}: {other}"),
        }
    }

    #[test]
    fn every_text_is_there_in_both_languages_and_translated() {
        let all = [Language::Japanese, Language::English].map(|language| {
            let mut all = Vec::new();
            told(&serde_json::to_value(Texts::of(language)).unwrap(), "", &mut all);
            all
        });
        assert!(all[0].len() > 40, "{}", all[0].len());
        for ((path, japanese), (same, english)) in all[0].iter().zip(&all[1]) {
            assert_eq!(path, same);
            if path.ends_with("hint") || path.ends_with("missing") {
                assert_eq!(japanese.is_empty(), english.is_empty(), "{path}");
            } else {
                assert!(!japanese.trim().is_empty() && !english.trim().is_empty(), "{path}");
                assert_ne!(japanese, english, "{path}");
            }
            let is_name = path == ".other_name" || path.ends_with("lang");
            assert!(is_name || english.is_ascii(), "{path}: {english}");
            assert!(is_name || japanese.is_empty() || !japanese.is_ascii(), "{path}: {japanese}");
        }
    }
}
