//! Refusals: a canonical code, a stable reason, and `google.rpc` details (<https://google.aip.dev/193>).
//!
//! Messages are fixed texts. Nothing that a caller sent is repeated in them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::envelope::EnvelopeError;
use crate::postgres;

/// The domain of every reason.
pub const DOMAIN: &str = "tsunagi";

/// Violations that are told at most. They travel in the head of the answer, and many a client reads no more than 8 KiB of it.
const MOST_TOLD: usize = 20;

/// How long a caller should wait when the service itself does not know.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A code by its canonical name (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>).
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn details(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

/// `NOT_FOUND`: nothing of that ID is visible to this tenant. `kind` says of what: `CONVERSATION`.
#[must_use]
pub fn not_found(kind: &'static str) -> Status {
    let mut details = ErrorDetails::with_error_info("NOT_FOUND", DOMAIN, [("kind".to_owned(), kind.to_owned())]);
    details.set_resource_info(kind, "", "", "");
    Status::with_error_details(
        Code::NotFound,
        format!("no such {}", kind.to_ascii_lowercase().replace('_', " ")),
        details,
    )
}

/// `INVALID_ARGUMENT` for one field. `why` completes the sentence "{field} …".
#[must_use]
pub fn invalid(field: &str, why: &str) -> Status {
    let mut violations = Violations::new();
    violations.add(field, why);
    violations.status()
}

/// `FAILED_PRECONDITION`: the state does not allow it; trying again without changing that does not help.
#[must_use]
pub fn precondition(reason: &'static str, message: &str) -> Status {
    let mut details = details(reason);
    details.add_precondition_failure_violation(reason, "", message);
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

/// `ABORTED`: somebody else was first, or the request ID was used for another body.
#[must_use]
pub fn aborted(reason: &'static str) -> Status {
    Status::with_error_details(Code::Aborted, sentence(reason), details(reason))
}

/// `ALREADY_EXISTS`.
#[must_use]
pub fn already_exists(reason: &'static str) -> Status {
    Status::with_error_details(Code::AlreadyExists, sentence(reason), details(reason))
}

/// `UNAVAILABLE`: try again after `retry_after`.
#[must_use]
pub fn unavailable(reason: &'static str, retry_after: Duration) -> Status {
    let mut details = details(reason);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::Unavailable, sentence(reason), details)
}

/// `PERMISSION_DENIED`.
#[must_use]
pub fn denied(reason: &'static str) -> Status {
    Status::with_error_details(Code::PermissionDenied, sentence(reason), details(reason))
}

/// `UNAUTHENTICATED`.
#[must_use]
pub fn unauthenticated(reason: &'static str) -> Status {
    Status::with_error_details(Code::Unauthenticated, sentence(reason), details(reason))
}

/// `OUT_OF_RANGE`, for instance a watcher that fell behind.
#[must_use]
pub fn out_of_range(reason: &'static str) -> Status {
    Status::with_error_details(Code::OutOfRange, sentence(reason), details(reason))
}

/// `RESOURCE_EXHAUSTED`: too much at once; try again after `retry_after`.
#[must_use]
pub fn exhausted(reason: &'static str, retry_after: Duration) -> Status {
    let mut details = details(reason);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::ResourceExhausted, sentence(reason), details)
}

/// What a body or secret could not be encrypted or decrypted for: as [`database`] where its key could not be read, else as [`internal`].
#[must_use]
pub fn envelope(error: EnvelopeError) -> Status {
    match error {
        EnvelopeError::Database(error) => database(error),
        error => internal(&error),
    }
}

/// `INTERNAL`, with nothing for the caller; `error` and its causes are logged here, once.
#[must_use]
pub fn internal(error: &(dyn std::error::Error + 'static)) -> Status {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let chain: Vec<String> = causes.map(ToString::to_string).collect();
    tracing::error!(error = chain.join(": "), "a call failed inside");
    Status::with_error_details(Code::Internal, "internal error", details("INTERNAL"))
}

/// What a database error is to a caller: `UNAVAILABLE` when trying again can help, else [`internal`]. Sort out the
/// constraints that mean something first.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "for `map_err(refuse::database)`")]
pub fn database(error: sqlx::Error) -> Status {
    if postgres::is_unavailable(&error) {
        tracing::warn!(error = %error, "the database is away");
        return unavailable("DATABASE_UNAVAILABLE", RETRY_AFTER);
    }
    match error.as_database_error() {
        // The message of a database error may repeat values; code and constraint do not.
        Some(refused) => {
            let (code, constraint) = (refused.code(), refused.constraint());
            tracing::error!(code = code.as_deref(), constraint, table = refused.table(), "the database refused");
            Status::with_error_details(Code::Internal, "internal error", details("INTERNAL"))
        }
        None => internal(&error),
    }
}

/// `REQUEST_ID_REUSED` becomes `request id reused`.
fn sentence(reason: &str) -> String {
    reason.to_ascii_lowercase().replace('_', " ")
}

/// Collects everything that is wrong with a request, so that the caller hears it at once: the first twenty faults, and how many more
/// there are.
#[derive(Debug, Default)]
pub struct Violations(Vec<(String, String)>);

impl Violations {
    /// Nothing wrong yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `field` is wrong. `why` completes the sentence "{field} …" and does not repeat the value.
    pub fn add(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.0.push((field.into(), why.into()));
    }

    /// Notes `why` about `field` unless `good`.
    pub fn check(&mut self, good: bool, field: &str, why: &str) {
        if !good {
            self.add(field, why);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the checks.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with the violations, when there are any.
    pub fn finish(self) -> Result<(), Status> {
        if self.is_empty() { Ok(()) } else { Err(self.status()) }
    }

    fn status(self) -> Status {
        let mut details = details("INVALID_FIELD");
        let mut message = String::from("invalid:");
        let more = self.0.len().saturating_sub(MOST_TOLD);
        for (field, why) in self.0.into_iter().take(MOST_TOLD) {
            // Writing to a String cannot fail.
            let _ = write!(message, " {field} {why};");
            details.add_bad_request_violation(field, why);
        }
        if more > 0 {
            let _ = write!(message, " and {more} more");
        }
        Status::with_error_details(Code::InvalidArgument, message.trim_end_matches(';'), details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_told_with_its_field() {
        let mut violations = Violations::new();
        violations.add("name", "is missing");
        violations.check(false, "size", "is too large");
        violations.check(true, "fine", "is never told");
        let status = violations.finish().unwrap_err();
        assert_eq!(status.message(), "invalid: name is missing; size is too large");
        let told = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(told.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), ["name", "size"]);
        assert_eq!(status.get_details_error_info().unwrap().reason, "INVALID_FIELD");
        Violations::new().finish().unwrap();
    }

    #[test]
    fn of_many_violations_as_many_are_told_as_an_answer_has_room_for() {
        let mut violations = Violations::new();
        for place in 0..1_000 {
            violations.add(format!("timers[{place}].late_policy.merge_key"), "holds white space, or something like it");
        }
        let status = violations.finish().unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations.len(), 20);
        assert!(status.message().ends_with("; and 980 more"), "{}", status.message());
        let room = status.message().len() * 3 / 2 + status.details().len() * 4 / 3;
        assert!(room < 8 * 1_024, "{room} bytes as they are sent");
    }

    #[test]
    fn reasons_and_retry_hints_reach_the_caller() {
        let status = unavailable("LINE_UNAVAILABLE", Duration::from_secs(3));
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(3)));
        let info = not_found("CONVERSATION").get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NOT_FOUND", "tsunagi"));
        assert_eq!(precondition("STANDBY", "held").get_details_precondition_failure().unwrap().violations.len(), 1);
    }

    #[test]
    fn a_database_that_is_away_can_be_asked_again_and_a_bug_cannot() {
        assert_eq!(database(sqlx::Error::PoolTimedOut).code(), Code::Unavailable);
        let bug = database(sqlx::Error::ColumnNotFound("secret".to_owned()));
        assert_eq!((bug.code(), bug.message()), (Code::Internal, "internal error"));
    }
}
