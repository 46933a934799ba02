//! What is shown of a customer beside a conversation.

/// A customer's name as it is shown: the family name first, as the record has both.
#[must_use]
pub fn display_name(family_name: &str, given_name: &str) -> String {
    format!("{family_name} {given_name}").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::display_name;

    #[test]
    fn the_family_name_comes_first_and_neither_is_needed() {
        assert_eq!(display_name("山田", "花子"), "山田 花子");
        assert_eq!((display_name("山田", ""), display_name("", "花子")), ("山田".to_owned(), "花子".to_owned()));
        assert_eq!(display_name("", ""), "");
    }
}
