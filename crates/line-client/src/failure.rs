//! What is known when a call did not succeed: <https://developers.line.biz/en/docs/messaging-api/retrying-api-request/>.

use std::fmt;

use line_types::{
    api::{ErrorBody, ErrorDetail, OAuthError},
    rate::Endpoint,
};

/// Longest reason kept, in characters.
const MAX_MESSAGE: usize = 500;
/// Most details kept.
const MAX_DETAILS: usize = 20;

/// What is known about the outcome of a call that did not succeed, and so what may be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Definitely not accepted, and nothing is wrong with the request: no connection came about. Try again.
    Retry,
    /// Definitely not accepted, and repeating it would not help: bad message, bad recipient, not entitled, not found.
    Refused,
    /// Definitely not accepted: too many requests to this endpoint, or to one user. Slow down, then try again.
    RateLimited,
    /// Definitely not accepted, with a 429 whose words are not known. Compare the quota: [`crate::resolve_limit`].
    TooMany,
    /// Definitely not accepted: LINE says that the monthly limit is reached, which is also said while a bulk send holds a
    /// reservation. Compare the quota: [`crate::resolve_limit`].
    MonthlyLimit,
    /// Definitely not accepted: the month's messages are used up. Nothing but a reply goes out before the plan changes or
    /// the month ends.
    QuotaUsedUp,
    /// Definitely not accepted: messages are left, but a running bulk send holds them. Wait for its end.
    QuotaReserved,
    /// Definitely not accepted: the token is invalid or expired. Issue another, then try again.
    Unauthorized,
    /// The reply token is used up or expired. Definitely not accepted by *this* call; after an earlier call of unknown
    /// outcome with the same token it proves nothing.
    ReplyTokenInvalid,
    /// Unknown: no answer in time, a connection cut after sending, 5xx, or an answer that cannot be read. May have been
    /// accepted; repeat only with the same retry key within 24 hours, or where a repetition does no harm.
    Unknown,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "no connection",
            Self::Refused => "refused",
            Self::RateLimited => "rate limited",
            Self::TooMany => "too many requests",
            Self::MonthlyLimit => "monthly limit reached",
            Self::QuotaUsedUp => "quota used up",
            Self::QuotaReserved => "quota reserved",
            Self::Unauthorized => "unauthorized",
            Self::ReplyTokenInvalid => "reply token invalid",
            Self::Unknown => "outcome unknown",
        })
    }
}

impl FailureKind {
    /// Whether the request was definitely not accepted, so that sending its content another way cannot double it.
    pub const fn is_definite(self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// A call that did not succeed. `Debug` and `Display` show kind, status and request id, never LINE's words.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("line call failed: {kind}")]
pub struct Failure {
    /// What is known.
    pub kind: FailureKind,
    /// The status of the answer, if one came.
    pub status: Option<u16>,
    /// LINE's reason, at most 500 characters. Its wording is not promised.
    pub message: Option<String>,
    /// What LINE says about single properties, at most 20.
    pub details: Vec<ErrorDetail>,
    /// LINE's id of the request, if an answer came; support asks for it.
    pub request_id: Option<String>,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("kind", &self.kind)
            .field("status", &self.status)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl Failure {
    /// A failure without an answer.
    pub(crate) fn without_answer(kind: FailureKind) -> Self {
        Self { kind, status: None, message: None, details: Vec::new(), request_id: None }
    }

    /// A failure that LINE answered.
    pub(crate) fn answered(endpoint: Endpoint, status: u16, request_id: Option<String>, body: &[u8]) -> Self {
        let (message, details) = reason(body);
        Self {
            kind: classify(endpoint, status, message.as_deref()),
            status: Some(status),
            message,
            details,
            request_id,
        }
    }

    /// A success that cannot be read.
    pub(crate) fn unreadable(status: u16, request_id: Option<String>) -> Self {
        Self { status: Some(status), request_id, ..Self::without_answer(FailureKind::Unknown) }
    }
}

/// Tells from an answer other than 2xx what is known about the outcome.
///
/// LINE does not promise the wording of `message`, so only its core is looked for, and a 429 in other words stays
/// [`FailureKind::TooMany`].
pub fn classify(endpoint: Endpoint, status: u16, message: Option<&str>) -> FailureKind {
    let says = |words: &str| message.is_some_and(|message| message.to_ascii_lowercase().contains(words));
    match status {
        400 if endpoint == Endpoint::Reply && says("invalid reply token") => FailureKind::ReplyTokenInvalid,
        401 => FailureKind::Unauthorized,
        429 if says("monthly limit") => FailureKind::MonthlyLimit,
        429 if says("rate limit") => FailureKind::RateLimited,
        429 => FailureKind::TooMany,
        // A gateway's own timeout says nothing about what stands behind it.
        408 => FailureKind::Unknown,
        400..=499 => FailureKind::Refused,
        _ => FailureKind::Unknown,
    }
}

/// Where a call without an answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The request could not be built; nothing was sent.
    Building,
    /// No connection came about; nothing was sent.
    Connecting,
    /// A connection was there: the request may have been sent.
    Talking,
}

/// Tells from a call without an answer what is known about the outcome.
pub const fn classify_transport(place: Transport) -> FailureKind {
    match place {
        Transport::Building => FailureKind::Refused,
        Transport::Connecting => FailureKind::Retry,
        Transport::Talking => FailureKind::Unknown,
    }
}

/// LINE's reason in an error body of either form, bounded.
fn reason(body: &[u8]) -> (Option<String>, Vec<ErrorDetail>) {
    if let Ok(error) = serde_json::from_slice::<ErrorBody>(body) {
        let details = error.details.into_iter().take(MAX_DETAILS).map(|detail| ErrorDetail {
            message: detail.message.as_deref().map(bounded),
            property: detail.property.as_deref().map(bounded),
        });
        return (Some(bounded(&error.message)), details.collect());
    }
    if let Ok(OAuthError { error, error_description }) = serde_json::from_slice(body) {
        let words = error_description.map_or_else(|| error.clone(), |description| format!("{error}: {description}"));
        return (Some(bounded(&words)), Vec::new());
    }
    (None, Vec::new())
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_sorted() {
        use FailureKind::{MonthlyLimit, RateLimited, Refused, ReplyTokenInvalid, TooMany, Unauthorized, Unknown};
        let rate = "The API rate limit has been exceeded. Try again later.";
        let month = "You have reached your monthly limit.";
        let table = [
            (Endpoint::Push, 400, Some("The request body has 1 error(s)"), Refused),
            (Endpoint::Push, 400, Some("Failed to send messages"), Refused),
            (Endpoint::Reply, 400, Some("Invalid reply token"), ReplyTokenInvalid),
            (Endpoint::Push, 400, Some("Invalid reply token"), Refused),
            (Endpoint::Reply, 400, None, Refused),
            (Endpoint::Push, 401, Some("Authentication failed"), Unauthorized),
            (Endpoint::Push, 403, Some("Access to this API is not available for your account"), Refused),
            (Endpoint::Profile, 404, Some("Not found"), Refused),
            (Endpoint::Push, 408, None, Unknown),
            (Endpoint::Reply, 409, None, Refused),
            (Endpoint::Content, 410, None, Refused),
            (Endpoint::Push, 413, None, Refused),
            (Endpoint::Push, 415, None, Refused),
            (Endpoint::Push, 429, Some(rate), RateLimited),
            (Endpoint::Push, 429, Some(month), MonthlyLimit),
            (Endpoint::Push, 429, Some("zu viele"), TooMany),
            (Endpoint::Push, 429, None, TooMany),
            (Endpoint::Push, 500, Some("Internal Server Error"), Unknown),
            (Endpoint::Push, 502, None, Unknown),
            (Endpoint::Push, 503, None, Unknown),
            (Endpoint::Push, 504, None, Unknown),
            (Endpoint::Push, 302, None, Unknown),
        ];
        for (endpoint, status, message, kind) in table {
            assert_eq!(classify(endpoint, status, message), kind, "{endpoint:?} {status} {message:?}");
        }
    }

    #[test]
    fn only_a_missing_connection_is_a_plain_retry() {
        assert_eq!(classify_transport(Transport::Connecting), FailureKind::Retry);
        assert_eq!(classify_transport(Transport::Talking), FailureKind::Unknown);
        assert_eq!(classify_transport(Transport::Building), FailureKind::Refused);
    }

    #[test]
    fn both_forms_of_error_bodies_are_read() {
        let line = br#"{"message":"The request body has 1 error(s)","details":[{"message":"May not be empty","property":"messages[0].text"}]}"#;
        let failure = Failure::answered(Endpoint::Push, 400, Some("r1".into()), line);
        assert_eq!(failure.details[0].property.as_deref(), Some("messages[0].text"));
        assert_eq!(failure.message.as_deref(), Some("The request body has 1 error(s)"));
        let oauth = br#"{"error":"invalid_request","error_description":"some parameters missed"}"#;
        let failure = Failure::answered(Endpoint::IssueTokenV21, 400, None, oauth);
        assert_eq!(failure.message.as_deref(), Some("invalid_request: some parameters missed"));
        assert_eq!(Failure::answered(Endpoint::Push, 502, None, b"<html>").message, None);
        assert!(!format!("{failure:?} {failure}").contains("parameters"));
    }

    proptest! {
        #[test]
        fn a_server_error_is_never_definite(status in 500..600u16, message in prop::option::of("\\PC*")) {
            prop_assert!(!classify(Endpoint::Push, status, message.as_deref()).is_definite());
        }

        #[test]
        fn a_refusal_is_always_definite(status in 400..500u16, message in prop::option::of("\\PC*")) {
            prop_assert_eq!(classify(Endpoint::Push, status, message.as_deref()).is_definite(), status != 408);
        }

        #[test]
        fn reasons_are_bounded(words in "\\PC{0,2000}", count in 0..40usize) {
            let details = vec![ErrorDetail { message: Some(words.clone()), property: None }; count];
            let body = serde_json::to_vec(&ErrorBody { message: words, details, sent_messages: vec![] }).unwrap();
            let failure = Failure::answered(Endpoint::Push, 400, None, &body);
            prop_assert!(failure.message.unwrap().chars().count() <= MAX_MESSAGE);
            prop_assert!(failure.details.len() <= MAX_DETAILS);
        }
    }
}
