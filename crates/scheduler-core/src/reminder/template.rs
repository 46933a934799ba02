//! What a reminder says, with its variables.

use std::fmt;

use crate::Unfit;

/// The longest template, in characters.
const LONGEST: usize = 500;
/// What is filled in where a reminder is sent: the customer's name, the day and the time at which the reservation begins in the
/// tenant's zone, and the shop's name.
const VARIABLES: [&str; 4] = ["customer_name", "date", "time", "shop"];

/// What a rule has customers told: 1 to 500 characters, not all of them white space, without control characters but line feeds. What
/// stands in braces is one of the variables `{customer_name}`, `{date}`, `{time}`, `{shop}`; no brace stands for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(String);

impl Template {
    /// Reads what somebody wrote, or what was kept.
    ///
    /// # Errors
    /// When it is out of its bounds or a brace is not one of a variable's.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        if text.trim().is_empty() {
            return Err(Unfit("is required"));
        }
        if text.chars().count() > LONGEST {
            return Err(Unfit("is longer than 500 characters"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Unfit("holds a control character"));
        }
        let mut pieces = text.split('{');
        // What stands before the first brace.
        let plain = pieces.next().is_none_or(|before| !before.contains('}'));
        let named = |piece: &str| {
            piece.split_once('}').is_some_and(|(name, rest)| VARIABLES.contains(&name) && !rest.contains('}'))
        };
        if !plain || !pieces.all(named) {
            return Err(Unfit("holds a brace that is not of {customer_name}, {date}, {time} or {shop}"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_template_is_bounded_and_names_only_variables_there_are() {
        for text in ["", " \n ", "a\tb", "a\u{0}", &"あ".repeat(501)] {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
        for text in
            ["{name}", "{", "}", "{}", "{{date}}", "{date", "date}", "{ date }", "{DATE}", "{date}}", "a {date} {time"]
        {
            assert!(Template::parse(text).is_err(), "{text:?}");
        }
        for text in [
            &"あ".repeat(500),
            "{customer_name}様\n{date} {time}、{shop}でお待ちしております。",
            "{date}{date}",
            "{shop}",
        ] {
            assert_eq!(Template::parse(text).map(|template| template.as_str().to_owned()).as_deref(), Ok(text));
        }
        assert_eq!(format!("{:?}", Template::parse("secret").unwrap()), "Template(..)");
    }

    proptest! {
        #[test]
        fn filling_a_template_leaves_no_brace(text in "(\\{(customer_name|date|time|shop|x|)\\}|[{}]|[a-cあ ]){0,12}") {
            let filled = VARIABLES.iter().fold(text.clone(), |text, name| text.replace(&format!("{{{name}}}"), "-"));
            let taken = Template::parse(&text).is_ok();
            prop_assert_eq!(taken, !text.trim().is_empty() && !filled.contains(['{', '}']));
        }
    }
}
