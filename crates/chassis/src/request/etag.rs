//! Etags: the version of a thing, in a form callers do not count on (AIP-154, <https://google.aip.dev/154>).

use crate::grpc::refuse;
use tonic::Status;

/// The etag of a version.
#[must_use]
pub fn of(version: i64) -> String {
    format!("\"{version:x}\"")
}

/// Refuses a change that was made on another version. An empty etag asks for no check.
///
/// # Errors
/// `ABORTED` with `ETAG_MISMATCH`.
pub fn check(given: &str, version: i64) -> Result<(), Status> {
    if given.is_empty() || given == of(version) { Ok(()) } else { Err(refuse::aborted("ETAG_MISMATCH")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_version_may_be_changed() {
        assert!(check("", 7).is_ok() && check(&of(7), 7).is_ok());
        assert_eq!(check(&of(6), 7).unwrap_err().code(), tonic::Code::Aborted);
        assert!(check("7", 7).is_err());
    }
}
