//! Which fields an update changes (AIP-134, <https://google.aip.dev/134>).

use super::fields::Fields;

/// The fields an update names; without names, those that are set.
#[derive(Clone, Debug)]
pub struct Mask(Option<Vec<String>>);

impl Mask {
    /// Reads a mask; names that are not of `allowed`, nor above or below one of them, are noted as wrong. `*` names all.
    pub fn read(fields: &mut Fields, mask: Option<prost_types::FieldMask>, allowed: &[&str]) -> Self {
        let paths = mask.unwrap_or_default().paths;
        if paths.is_empty() {
            return Self(None);
        }
        if paths.iter().any(|path| path != "*" && !allowed.iter().any(|name| within(name, path))) {
            fields.wrong("update_mask", "names a field that cannot be changed");
        }
        Self(Some(paths))
    }

    /// Whether the field at `path` is to change. `set`: whether the request gives it a value.
    #[must_use]
    pub fn covers(&self, path: &str, set: bool) -> bool {
        match &self.0 {
            None => set,
            Some(paths) => paths.iter().any(|named| named == "*" || within(path, named)),
        }
    }
}

/// Whether `path` is `above` or below it.
fn within(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> (Mask, bool) {
        let mut fields = Fields::new();
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let mask =
            Mask::read(&mut fields, Some(prost_types::FieldMask { paths }), &["name.family", "name.given", "phones"]);
        (mask, fields.all(|| Some(())).is_ok())
    }

    #[test]
    fn a_name_covers_itself_and_what_is_below_it() {
        let (named, fine) = mask(&["name"]);
        assert!(fine && named.covers("name.family", false) && !named.covers("phones", true));
        let (named, fine) = mask(&["name.given", "phones"]);
        assert!(fine && named.covers("name.given", false) && !named.covers("name.family", true));
        let (named, fine) = mask(&["*"]);
        assert!(fine && named.covers("phones", false));
    }

    #[test]
    fn without_names_what_is_set_changes() {
        let (named, fine) = mask(&[]);
        assert!(fine && named.covers("phones", true) && !named.covers("phones", false));
    }

    #[test]
    fn a_field_that_cannot_be_changed_is_refused() {
        for wrong in ["customer_id", "phone", "name.fam", "phones.number", ""] {
            assert!(!mask(&[wrong]).1, "{wrong}");
        }
    }
}
