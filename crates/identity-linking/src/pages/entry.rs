//! What a submission's body says: exactly the fields of one form, each once, in UTF-8.

use crate::linking::form::{Entry, Form, FormField, Wrong};

/// A body that a page of ours sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// The form its fields are those of.
    pub(super) form: Form,
    /// What was typed.
    pub(super) entry: Entry,
    /// The proof beside it.
    pub(super) proof: String,
}

/// No page of ours sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOurs;

/// Reads a body of the type `application/x-www-form-urlencoded` (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>).
pub(super) fn read(body: &[u8]) -> Result<Sent, NotOurs> {
    let (mut family, mut given, mut mobile, mut text, mut code, mut proof) = (None, None, None, None, None, None);
    for (name, value) in url::form_urlencoded::parse(body) {
        // It stands where bytes are no UTF-8; nobody needs to type it.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(NotOurs);
        }
        let place = match &*name {
            "family" => &mut family,
            "given" => &mut given,
            "mobile" => &mut mobile,
            "text" => &mut text,
            "code" => &mut code,
            "proof" => &mut proof,
            _ => return Err(NotOurs),
        };
        if place.replace(value.into_owned()).is_some() {
            return Err(NotOurs);
        }
    }
    let form = match (&family, &given, &mobile, &text, &code) {
        (Some(_), Some(_), None, Some(_), None) => Form::Inquiry,
        (Some(_), Some(_), Some(_), None, None) => Form::Link,
        (None, None, None, None, Some(_)) => Form::Staff,
        _ => return Err(NotOurs),
    };
    let proof = proof.ok_or(NotOurs)?;
    // Browsers send every line end as CR LF.
    let text = text.unwrap_or_default().replace("\r\n", "\n").replace('\r', "\n");
    let [family, given, mobile, code] = [family, given, mobile, code].map(Option::unwrap_or_default);
    Ok(Sent { form, entry: Entry { family, given, mobile, text, code }, proof })
}

/// The fields with characters that nobody types: control characters but for line ends and tabs in the text.
pub(super) fn unfit(entry: &Entry) -> Vec<(FormField, Wrong)> {
    let line = |text: &str| text.chars().any(char::is_control);
    let lines = |text: &str| text.chars().any(|c| c.is_control() && c != '\n' && c != '\t');
    let found = [
        (FormField::Family, line(&entry.family)),
        (FormField::Given, line(&entry.given)),
        (FormField::Mobile, line(&entry.mobile)),
        (FormField::Text, lines(&entry.text)),
        (FormField::Code, line(&entry.code)),
    ];
    found.into_iter().filter(|(_, is_unfit)| *is_unfit).map(|(field, _)| (field, Wrong::Unfit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INQUIRY: &str = "family=%E5%B1%B1%E7%94%B0&given=a+b&text=1%0D%0A2&proof=p";

    #[test]
    fn the_fields_tell_the_form() {
        let sent = read(INQUIRY.as_bytes()).unwrap();
        assert_eq!((sent.form, &*sent.proof), (Form::Inquiry, "p"));
        let entry = Entry { family: "山田".into(), given: "a b".into(), text: "1\n2".into(), ..Entry::default() };
        assert!(sent.entry == entry);
        assert_eq!(read(b"family=a&given=b&mobile=090&proof=p").unwrap().form, Form::Link);
        let staff = read(b"code=0123-4567&proof=p").unwrap();
        assert_eq!((staff.form, &*staff.entry.code), (Form::Staff, "0123-4567"));
    }

    #[test]
    fn missing_doubled_unknown_and_undecodable_fields_are_refused() {
        for wrong in [
            "",
            "family=a&given=b&proof=p",
            "family=a&given=b&text=c",
            "family=a&text=c&proof=p",
            "family=a&given=b&text=c&mobile=d&proof=p",
            "family=a&given=b&text=c&code=d&proof=p",
            "code=a",
            "code=a&code=b&proof=p",
            "family=a&given=b&text=c&proof=p&proof=p",
            "family=a&family=a&given=b&text=c&proof=p",
            "family=a&given=b&text=c&proof=p&admin=1",
            "family=%FF&given=b&text=c&proof=p",
            "family=a&given=b&text=%ED%A0%80&proof=p",
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(b"family=\xff&given=b&text=c&proof=p").is_err());
    }

    #[test]
    fn control_characters_are_told_by_field() {
        let entry = |text: &str| {
            let [family, given, mobile, code] = [(); 4].map(|()| text.to_owned());
            Entry { family, given, mobile, text: text.to_owned(), code }
        };
        assert_eq!(unfit(&entry("a\0")).len(), 5);
        assert_eq!(unfit(&entry("a\u{1b}")).len(), 5);
        assert_eq!(
            unfit(&entry("a\nb\t")),
            [FormField::Family, FormField::Given, FormField::Mobile, FormField::Code]
                .map(|field| (field, Wrong::Unfit))
        );
        assert_eq!(unfit(&entry("<script>山田👩‍👩‍👧</script>")), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = read(&body);
        }

        #[test]
        fn what_was_typed_arrives(family in "\\PC{0,20}", text in "\\PC{0,20}") {
            prop_assume!(!family.contains('\u{FFFD}') && !text.contains('\u{FFFD}'));
            let mut body = url::form_urlencoded::Serializer::new(String::new());
            body.extend_pairs([("family", &*family), ("given", ""), ("text", &text), ("proof", "")]);
            let sent = read(body.finish().as_bytes()).unwrap();
            prop_assert_eq!((sent.entry.family, sent.entry.text), (family, text));
        }
    }
}
