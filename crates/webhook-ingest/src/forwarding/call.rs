//! One call of a target.

use std::time::Duration;

use bytes::Bytes;
use chassis::egress::{Egress, EgressAnswer, EgressError};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use kernel::Timestamp;
use webhook_ingest_core::forwarding::attempt::{Failure, Outcome, of_status};
use webhook_ingest_core::forwarding::retry_after;

use super::claim::Job;

/// Which calls are of the same body: its ID.
const DELIVERY_ID: HeaderName = HeaderName::from_static("tsunagi-delivery-id");
const SIGNATURE: HeaderName = HeaderName::from_static("x-line-signature");
/// As LINE sends it.
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// No body of the archive is larger: the largest that may be taken (`TSUNAGI_INGEST_BODY_KIB`).
const LARGEST: usize = 4 * 1_024 * 1_024;

/// What a call came to, and how long the target asks to be left alone.
pub(super) type Called = (Outcome, Option<Duration>);

/// Posts the body as LINE posted it. The address stands in nothing that is told.
pub(super) async fn call(egress: &Egress, job: &Job, url: &str, payload: Bytes, now: Timestamp) -> Called {
    let Ok(target) = egress.target(url) else { return (Outcome::Failed(Failure::AddressForbidden), None) };
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(CONTENT_TYPE, JSON);
    for (name, value) in [(SIGNATURE, job.signature.header()), (DELIVERY_ID, job.body.to_string())] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    match egress.post_up_to(LARGEST, &target, headers, payload).await {
        Ok(EgressAnswer { status, retry_after }) => {
            let asked = retry_after.and_then(|value| retry_after::wait(&value, now));
            // Only these two say when to come back (RFC 9110, RFC 6585).
            (of_status(status.as_u16()), asked.filter(|_| matches!(status.as_u16(), 429 | 503)))
        }
        Err(EgressError::Forbidden) => (Outcome::Failed(Failure::AddressForbidden), None),
        Err(EgressError::NotReached) => (Outcome::Failed(Failure::NotReached), None),
        Err(EgressError::NoAnswer) => (Outcome::Failed(Failure::NoAnswer), None),
        Err(EgressError::TooLarge) => (Outcome::Failed(Failure::Refused), None),
    }
}
