//! Pages as HTML. Whatever is put in is escaped; the form token is in none of them.

use askama::Template;

use super::language::Language;
use super::texts::{FormTexts, Kept, Notice, NoticeTexts, Texts};
use crate::linking::form::{Entry, Form, FormField, Opened, Wrong};

/// The style of every page, within it.
pub(super) const STYLE: &str = include_str!("../../templates/style.css");

/// A form to be filled in, or to be mended.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    pub(super) opened: &'a Opened,
    pub(super) entry: &'a Entry,
    pub(super) wrong: &'a [(FormField, Wrong)],
    pub(super) kept: Option<Kept>,
    pub(super) proof: &'a str,
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    style: &'static str,
    t: &'static Texts,
    f: &'static FormTexts,
    shop: &'a str,
    fields: Vec<Field<'a>>,
    kept: Option<&'static str>,
    /// How what comes of it is ended again.
    ending: &'static str,
    proof: &'a str,
}

/// A field as it is shown.
struct Field<'a> {
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    required: bool,
    value: &'a str,
    error: Option<&'static str>,
    look: Look,
}

/// How a field is typed into.
enum Look {
    Line { autocomplete: &'static str },
    Phone,
    Lines,
}

#[derive(Template)]
#[template(path = "notice.html")]
struct NoticePage<'a> {
    style: &'static str,
    t: &'static Texts,
    notice: &'static NoticeTexts,
    /// What was written and is given back; empty: nothing.
    returned: &'a str,
}

impl FormPage<'_> {
    fn has_errors(&self) -> bool {
        self.fields.iter().any(|field| field.error.is_some())
    }
}

impl Field<'_> {
    /// The IDs of what explains the field; empty: nothing does.
    fn described_by(&self) -> String {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.id));
        let error = self.error.map(|_| format!("{}-error", self.id));
        [error, hint].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// A form.
///
/// # Errors
/// When it cannot be written, which memory alone could cause.
pub(super) fn form(language: Language, filled: &Filled<'_>) -> askama::Result<String> {
    let t = Texts::of(language);
    let asked: &[FormField] = match filled.opened.form {
        Form::Inquiry => &[FormField::Family, FormField::Given, FormField::Text],
        Form::Link => &[FormField::Family, FormField::Given, FormField::Mobile],
        Form::Staff => &[FormField::Code],
    };
    let field = |field: FormField| {
        let (id, value, look) = match field {
            FormField::Family => ("family", &filled.entry.family, Look::Line { autocomplete: "family-name" }),
            FormField::Given => ("given", &filled.entry.given, Look::Line { autocomplete: "given-name" }),
            FormField::Mobile => ("mobile", &filled.entry.mobile, Look::Phone),
            FormField::Text => ("text", &filled.entry.text, Look::Lines),
            FormField::Code => ("code", &filled.entry.code, Look::Line { autocomplete: "one-time-code" }),
        };
        let error = filled.wrong.iter().find(|(wrong, _)| *wrong == field).map(|(_, wrong)| t.wrong(field, *wrong));
        let texts = t.field(field);
        Field { id, label: texts.label, hint: texts.hint, required: texts.is_required(), value, error, look }
    };
    let page = FormPage {
        style: STYLE,
        t,
        f: t.form(filled.opened.form),
        shop: &filled.opened.account_name,
        fields: asked.iter().copied().map(field).collect(),
        ending: t.ending(filled.opened.form),
        kept: filled.kept.map(|kept| t.kept(kept)),
        proof: filled.proof,
    };
    page.render()
}

/// A page without a form. Where `returned` is not empty, whoever wrote it can copy it.
///
/// # Errors
/// As [`form`].
pub(super) fn notice(language: Language, notice: Notice, returned: &str) -> askama::Result<String> {
    let t = Texts::of(language);
    NoticePage { style: STYLE, t, notice: t.notice(notice), returned }.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str =
        "\"><script>alert(1)</script><img src=x onerror='x'>&amp;</textarea></title></style>{{ 7*7 }}";

    fn shown(form_kind: Form, text: &str, wrong: &[(FormField, Wrong)]) -> String {
        let opened = Opened { form: form_kind, account_name: text.to_owned() };
        let [family, given, mobile, code] = [(); 4].map(|()| text.to_owned());
        let entry = Entry { family, given, mobile, text: text.to_owned(), code };
        let filled = Filled { opened: &opened, entry: &entry, wrong, kept: None, proof: "proof-value" };
        form(Language::Japanese, &filled).unwrap()
    }

    #[test]
    fn whatever_is_typed_stays_text() {
        for kind in [Form::Inquiry, Form::Link, Form::Staff] {
            let page = shown(kind, HOSTILE, &[]);
            let plain = shown(kind, "", &[]);
            for tag in ["<script", "<img", "</textarea>", "</title>", "</style>", "<input"] {
                assert_eq!(page.matches(tag).count(), plain.matches(tag).count(), "{tag}");
            }
            assert!(page.contains("{{ 7*7 }}"), "templates are not run twice");
        }
    }

    #[test]
    fn a_form_asks_for_its_own_fields_and_says_how_they_are_typed() {
        let inquiry = shown(Form::Inquiry, "山田", &[]);
        let link = shown(Form::Link, "山田", &[]);
        let staff = shown(Form::Staff, "山田", &[]);
        assert!(staff.contains("autocomplete=\"one-time-code\"") && !staff.contains("name=\"family\""));
        assert!(staff.contains(Texts::of(Language::Japanese).unbinding));
        assert!(inquiry.contains("<textarea id=\"text\"") && !inquiry.contains("name=\"mobile\""));
        assert!(
            link.contains("type=\"tel\" inputmode=\"tel\" autocomplete=\"tel-national\"")
                && !link.contains("<textarea")
        );
        for page in [&inquiry, &link] {
            for part in [
                "autocomplete=\"family-name\"",
                "autocomplete=\"given-name\"",
                "value=\"山田\"",
                "value=\"proof-value\"",
                "lang=\"ja\"",
            ] {
                assert!(page.contains(part), "{part}");
            }
            assert!(page.contains(Texts::of(Language::Japanese).unlinking));
            assert!(!page.contains("aria-invalid=\"") && !page.contains("role=\"alert\""));
        }
    }

    #[test]
    fn what_is_wrong_is_told_beside_the_field_and_at_the_top() {
        let page = shown(Form::Link, "x", &[(FormField::Mobile, Wrong::NotMobile), (FormField::Text, Wrong::Missing)]);
        assert_eq!(page.matches("aria-invalid=\"true\"").count(), 1, "a field the form does not have is not told");
        assert!(page.contains("aria-describedby=\"mobile-error mobile-hint\"") && page.contains("id=\"mobile-error\""));
        assert!(page.contains("<a href=\"#mobile\">") && page.contains("role=\"alert\""));
        assert!(page.contains("<title>エラー: "));
    }

    #[test]
    fn a_line_end_at_the_beginning_of_a_text_is_kept() {
        assert!(shown(Form::Inquiry, "\nx", &[]).contains("required>\n\nx</textarea>"), "HTML drops the first one");
    }

    #[test]
    fn what_was_written_is_given_back_as_text_that_can_be_copied_and_not_sent() {
        for language in [Language::Japanese, Language::English] {
            let (page, plain) = (notice(language, Notice::Gone, HOSTILE), notice(language, Notice::Gone, ""));
            let (page, plain) = (page.unwrap(), plain.unwrap());
            assert!(!plain.contains("<textarea"));
            let field = r#"<label for="returned">"#;
            assert!(page.contains(field) && page.contains(r#"<textarea id="returned" rows="6" readonly"#));
            assert!(page.contains(Texts::of(language).returned) && page.contains("{{ 7*7 }}"));
            for (tag, more) in [("<script", 0), ("<img", 0), ("</textarea>", 1), ("</title>", 0), ("<form", 0)] {
                assert_eq!(page.matches(tag).count(), plain.matches(tag).count() + more, "{tag}");
            }
        }
        assert!(
            notice(Language::English, Notice::Gone, "\nx").unwrap().contains("\n\nx</textarea>"),
            "HTML drops the first"
        );
    }

    #[test]
    fn the_style_holds_nothing_from_elsewhere() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"));
        let all = [Notice::Taken, Notice::Gone, Notice::TooMany, Notice::Away, Notice::NotOurs, Notice::TooLarge];
        for notice_kind in all {
            let page = notice(Language::English, notice_kind, "").unwrap();
            assert!(
                page.contains("lang=\"en\"") && page.contains(Texts::of(Language::English).notice(notice_kind).heading)
            );
            assert_eq!(page.matches("http").count(), 0, "nothing leads elsewhere");
        }
    }
}
