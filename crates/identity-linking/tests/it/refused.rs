//! Looking at refusals.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// The code and the reason of a refusal.
pub(crate) fn reason<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (Code, String) {
    let status = outcome.unwrap_err();
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

/// The fields a refusal names, in order.
pub(crate) fn fields<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Vec<String> {
    let status = outcome.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let named = status.get_details_bad_request().unwrap().field_violations;
    named.into_iter().map(|violation| violation.field).collect()
}
