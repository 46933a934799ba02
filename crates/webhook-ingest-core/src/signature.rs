//! What a request presents as its signature.

use line_types::signature::Signature;

/// The `x-line-signature` headers of a request. LINE sends exactly one
/// (<https://developers.line.biz/en/reference/messaging-api/#request-headers>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// None.
    Missing,
    /// One that is not the Base64 form of 32 bytes, or more than one.
    Unusable,
    /// One, to be proved over the raw body.
    One(Signature),
}

impl Presented {
    /// Reads the values of all such headers of a request.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Missing,
            (Some(value), None) => Signature::parse(value).map_or(Self::Unusable, Self::One),
            (Some(_), Some(_)) => Self::Unusable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_well_formed_header_is_a_signature() {
        let value: &[u8] = b"GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=";
        assert_eq!(Presented::of([]), Presented::Missing);
        assert!(matches!(Presented::of([value]), Presented::One(_)));
        assert_eq!(Presented::of([value, value]), Presented::Unusable);
        assert_eq!(Presented::of([&b"GhRKmvmHys4Pi8DxkF4-EayaH0OqtJtaZxgTD9fMDLs="[..]]), Presented::Unusable);
        assert_eq!(Presented::of([&b""[..]]), Presented::Unusable);
    }
}
