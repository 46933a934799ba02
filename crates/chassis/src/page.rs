//! Pages of a list: how many, and where the next begins (AIP-158, <https://google.aip.dev/158>).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tonic::Status;

use crate::grpc::refuse;

/// How many a page holds when the caller does not say.
pub const DEFAULT: i64 = 50;
/// How many a page holds at most.
pub const LARGEST: i64 = 200;
/// The longest page token that is read, in characters.
const LONGEST_TOKEN: usize = 1024;

/// How many rows to read for a request's `page_size`: 0 means [`DEFAULT`], more than [`LARGEST`] means [`LARGEST`].
///
/// # Errors
/// `INVALID_ARGUMENT` when it is negative.
pub fn size(page_size: i32) -> Result<i64, Status> {
    match page_size {
        ..0 => Err(refuse::invalid("page_size", "must not be negative")),
        0 => Ok(DEFAULT),
        wanted => Ok(i64::from(wanted).min(LARGEST)),
    }
}

/// The page token that leads to `position`, the sort key of the last row of a page.
///
/// # Panics
/// When `position` cannot be JSON: a map with keys that are no texts. Sort keys are numbers, texts and IDs.
#[must_use]
pub fn encode<T: Serialize>(position: &T) -> String {
    #[expect(clippy::expect_used, reason = "sort keys are numbers, texts and IDs, which serialise")]
    let bytes = serde_json::to_vec(position).expect("a sort key serialises");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Where the page of `page_token` begins; none for the first page. A token is no secret and no permission: rows are
/// filtered by tenant whatever it says.
///
/// # Errors
/// `INVALID_ARGUMENT` when the token was not made by [`encode`] for the same list.
pub fn decode<T: DeserializeOwned>(page_token: &str) -> Result<Option<T>, Status> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let position = (page_token.len() <= LONGEST_TOKEN)
        .then(|| URL_SAFE_NO_PAD.decode(page_token).ok())
        .flatten()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    position.map(Some).ok_or_else(|| refuse::invalid("page_token", "is not a token of this list"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        assert_eq!(size(0).unwrap(), 50);
        assert_eq!(size(7).unwrap(), 7);
        assert_eq!(size(i32::MAX).unwrap(), 200);
        assert_eq!(size(-1).unwrap_err().code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let token = encode(&("2026-01-01", 7));
        assert!(decode::<u64>(&token).is_err());
        assert!(decode::<u64>(&"A".repeat(2000)).is_err());
        assert_eq!(decode::<u64>("").unwrap(), None);
    }

    proptest! {
        #[test]
        fn a_position_survives(position: (i64, u128), text in ".{0,80}") {
            prop_assert_eq!(decode(&encode(&(position, &text))).unwrap(), Some((position, text)));
        }

        #[test]
        fn any_text_is_a_token_or_refused(text in ".{0,80}") {
            let _ = decode::<(i64, String)>(&text);
        }
    }
}
