//! Pages of a list: how many, and where the next begins (AIP-158, <https://google.aip.dev/158>).

mod part;
mod place;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::ListRequest;
use kernel::TenantId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use crate::grpc::refuse::Violations;

pub use part::{Look, Part};
pub use place::Place;

/// How many a page holds when the caller does not say.
pub const DEFAULT: i64 = 50;
/// How many a page holds at most.
pub const LARGEST: i64 = 200;
/// The longest page token that is read, in characters.
const LONGEST_TOKEN: usize = 4096;

/// One page that is asked for, of a list whose rows have places of the kind `P`: the sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<P> {
    /// The place of the last row of the page before; none: the first page.
    pub after: Option<P>,
    size: i64,
    /// Which list it is: a hash of the tenant, the method and the filters.
    list: u64,
}

impl<P: Place> Page<P> {
    /// The page that `request` asks a list of `tenant` for. 0 asks for [`DEFAULT`], more than [`LARGEST`] for [`LARGEST`]. Its token
    /// leads on in the list that gave it and in no other: of another method, tenant or filter it means another row, or none.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` when the size is negative, or the token is not one of this list or names a place that no row can have.
    pub fn asked(tenant: TenantId, request: &impl ListRequest) -> Result<Self, Status> {
        let mut violations = Violations::new();
        let page = Self::read(tenant, request, &mut violations);
        violations.finish()?;
        page.ok_or_else(|| Status::internal("internal error"))
    }

    /// The same, noting what is wrong among `violations`; none then.
    pub fn read(tenant: TenantId, request: &impl ListRequest, violations: &mut Violations) -> Option<Self> {
        let list = hash(tenant, request);
        let size = match request.page_size() {
            ..0 => None,
            0 => Some(DEFAULT),
            wanted => Some(i64::from(wanted).min(LARGEST)),
        };
        violations.check(size.is_some(), "page_size", "must not be negative");
        let after = match decode::<(u64, P)>(request.page_token()) {
            None if request.page_token().is_empty() => Some(None),
            Some((of, after)) if of == list && after.is_possible() => Some(Some(after)),
            _ => None,
        };
        violations.check(after.is_some(), "page_token", "is not a token of this list with these filters");
        Some(Self { after: after?, size: size?, list })
    }

    /// How many rows to read: one more than the page holds, to know whether another follows.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.size + 1
    }

    /// The page among the rows read, and the token of the next one; empty at the end.
    pub fn cut<T>(&self, mut rows: Vec<T>, place: impl FnOnce(&T) -> P) -> (Vec<T>, String) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return (rows, String::new());
        }
        rows.truncate(size);
        let next = rows.last().map(|last| self.token(&place(last))).unwrap_or_default();
        (rows, next)
    }

    /// The token of the page behind `place`.
    #[must_use]
    pub fn token(&self, place: &P) -> String {
        encode(&(self.list, place))
    }
}

/// Which list of `tenant` a request asks for a page of.
fn hash(tenant: TenantId, request: &impl ListRequest) -> u64 {
    let hash = Sha256::new().chain_update(tenant.uuid().as_bytes()).chain_update(request.list()).finalize();
    hash.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// `place` as a text that a caller brings back, and that means nothing to it.
///
/// # Panics
/// When `place` cannot be JSON: a map with keys that are no texts. Places are numbers, texts and IDs.
#[must_use]
pub fn encode<T: Serialize>(place: &T) -> String {
    #[expect(clippy::expect_used, reason = "places are numbers, texts and IDs, which serialise")]
    let bytes = serde_json::to_vec(place).expect("a place serialises");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that [`encode`] made a text of; none of any other text. Such a text is no secret and no permission: rows are filtered by
/// tenant whatever it says.
#[must_use]
pub fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    let bytes = (text.len() <= LONGEST_TOKEN).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::identity::v1::{ListFriendsRequest, ListTenantsRequest};
    use proptest::prelude::*;
    use tonic_types::StatusExt as _;
    use uuid::Uuid;

    fn tenant(number: u128) -> TenantId {
        Uuid::from_u128(number).into()
    }

    fn friends(page_size: i32, page_token: &str, account: &str) -> ListFriendsRequest {
        ListFriendsRequest {
            page_size,
            page_token: page_token.to_owned(),
            account_id: account.to_owned(),
            ..Default::default()
        }
    }

    fn refused<P: Place + std::fmt::Debug>(request: &impl ListRequest) -> Vec<String> {
        let status = Page::<P>::asked(tenant(1), request).unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn sizes() {
        let rows = |size| Page::<i64>::asked(tenant(1), &friends(size, "", "a")).unwrap().rows();
        assert_eq!((rows(0), rows(7), rows(i32::MAX)), (51, 8, 201));
        assert_eq!(refused::<i64>(&friends(-1, "%", "a")), ["page_size", "page_token"]);
    }

    #[test]
    fn a_page_ends_with_the_token_of_the_next_and_the_last_with_none() {
        let page = Page::<i64>::asked(tenant(1), &friends(2, "", "a")).unwrap();
        assert_eq!(page.cut(vec![5, 6], |row| *row), (vec![5, 6], String::new()));
        let (rows, next) = page.cut(vec![5, 6, 7], |row| *row);
        assert_eq!(rows, [5, 6]);
        assert_eq!(Page::<i64>::asked(tenant(1), &friends(9, &next, "a")).unwrap().after, Some(6));
    }

    #[test]
    fn a_token_of_another_list_filter_or_tenant_is_refused() {
        let page = Page::<i64>::asked(tenant(1), &friends(2, "", "a")).unwrap();
        let token = page.token(&6);
        assert_eq!(refused::<i64>(&friends(2, &token, "b")), ["page_token"]);
        let elsewhere = ListTenantsRequest { page_token: token.clone(), page_size: 2 };
        assert_eq!(refused::<i64>(&elsewhere), ["page_token"]);
        assert_eq!(refused::<String>(&friends(2, &token, "a")), ["page_token"]);
        let theirs = Page::<i64>::asked(tenant(2), &friends(2, "", "a")).unwrap().token(&6);
        assert_eq!(refused::<i64>(&friends(2, &theirs, "a")), ["page_token"]);
        assert_eq!(refused::<i64>(&friends(2, &"A".repeat(2000), "a")), ["page_token"]);
    }

    proptest! {
        #[test]
        fn a_place_survives(place: (i64, u128), text in ".{0,80}") {
            prop_assert_eq!(decode(&encode(&(place, &text))), Some((place, text)));
        }

        #[test]
        fn any_text_is_a_token_or_refused(text in ".{1,80}") {
            prop_assert!(Page::<(i64, String)>::asked(tenant(1), &friends(0, &text, "a")).is_err());
        }
    }
}
