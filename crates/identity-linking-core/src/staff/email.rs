//! Addresses of e-mail.

use std::fmt;

use crate::Unfit;

/// Most characters of an address (RFC 5321, 4.5.3.1.3 as RFC 3696's erratum 1690 reads it).
const LONGEST: usize = 254;
/// Most characters before the `@` (RFC 5321, 4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;
/// Most characters of one label of a host name (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;

/// An address that e-mail reaches somebody at: a dot-atom, `@`, and a host name of two labels or more, in ASCII (a host name in
/// another script is written as `xn--…`), at most 254 characters. No quoted part, no comment, no address literal: whoever writes it
/// into a mail's head puts nothing else there. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads an address that may be left out: an empty one is none.
    ///
    /// # Errors
    /// When it is no address of that form.
    pub fn optional(text: &str) -> Result<Option<Self>, Unfit> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let (local, host) = text.rsplit_once('@').ok_or(Unfit("is not an e-mail address"))?;
        let fits = text.len() <= LONGEST && is_local(local) && is_host(host);
        if fits { Ok(Some(Self(text.to_owned()))) } else { Err(Unfit("is not an e-mail address")) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

/// A dot-atom (RFC 5322, 3.2.3).
fn is_local(text: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty() && atom.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    text.len() <= LONGEST_LOCAL && text.split('.').all(is_atom)
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_a_dot_atom_at_a_host_and_hides_itself() {
        let long = format!("{}@{}.example", "a".repeat(64), ["b".repeat(63), "c".repeat(63)].join("."));
        for good in ["a@example.com", "misaki.sato+line@xn--r8jz45g.example", " a@b.c ", "o'neil@example.co.jp", &long]
        {
            let read = EmailAddress::optional(good).unwrap().unwrap();
            assert_eq!((read.as_str(), &*format!("{read:?}")), (good.trim(), "EmailAddress(..)"));
        }
        assert_eq!(EmailAddress::optional("  "), Ok(None));
    }

    #[test]
    fn what_could_put_something_else_into_a_mail_is_no_address() {
        let too_long = format!("a@{}.example", vec!["b".repeat(63); 4].join("."));
        for wrong in [
            "a",
            "@",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.d",
            "a@b..c",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "a@-b.c",
            "a@b-.c",
            "a@b.c.",
            "a@b@c.d",
            "\"a b\"@c.d",
            "a@[192.0.2.1]",
            "a(x)@b.c",
            "a,b@c.d",
            "a@b.c\r\nBcc: x@y.z",
            "a\0@b.c",
            "佐藤@b.c",
            "a@例.jp",
            "<a@b.c>",
            &format!("{}@b.c", "a".repeat(65)),
            &format!("a@{}.c", "b".repeat(64)),
            &too_long,
        ] {
            assert!(EmailAddress::optional(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_of_printable_ascii_or_refused(text in "\\PC{0,40}|[a-z.@-]{0,40}|(?s).{0,10}") {
            if let Ok(Some(address)) = EmailAddress::optional(&text) {
                prop_assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(address.as_str().matches('@').count() == 1);
                prop_assert_eq!(EmailAddress::optional(address.as_str()), Ok(Some(address)));
            }
        }
    }
}
