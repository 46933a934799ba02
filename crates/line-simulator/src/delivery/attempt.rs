//! One POST to a webhook URL: signed over the exact bytes, two seconds to answer.
//!
//! <https://developers.line.biz/en/docs/messaging-api/receiving-messages/>

use std::time::Duration;

use line_types::signature::{ChannelSecret, sign};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::state::id::UserId;

/// The product must answer within this time.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// How a delivery ended, in the words of LINE's test call and error statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: Option<u16>,
    /// `OK`, `COULD_NOT_CONNECT`, `REQUEST_TIMEOUT`, `ERROR_STATUS_CODE` or `UNCLASSIFIED`.
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
}

impl Verdict {
    /// Any 2xx is success.
    pub(crate) fn is_ok(&self) -> bool {
        self.reason == "OK"
    }

    fn failed(reason: &'static str, detail: &str) -> Self {
        Self { status: None, reason, detail: detail.to_owned() }
    }
}

/// Signs and sends; never fails, only reports.
pub(crate) async fn deliver(
    http: &reqwest::Client,
    url: &str,
    secret: &str,
    destination: &UserId,
    events: &[Value],
) -> Verdict {
    let body = json!({ "destination": destination, "events": events }).to_string();
    let Ok(secret) = ChannelSecret::parse(secret) else {
        return Verdict::failed("UNCLASSIFIED", "the channel secret cannot sign");
    };
    let request = http
        .post(url)
        .timeout(TIME_LIMIT)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-line-signature", sign(&secret, body.as_bytes()))
        .body(body);
    match request.send().await {
        Ok(mut response) => {
            let status = response.status();
            // Reading the short answer lets the connection be used again.
            let _ = response.chunk().await;
            let reason = if status.is_success() { "OK" } else { "ERROR_STATUS_CODE" };
            Verdict { status: Some(status.as_u16()), reason, detail: status.as_u16().to_string() }
        }
        Err(error) if error.is_timeout() => Verdict::failed("REQUEST_TIMEOUT", "Request timeout"),
        Err(error) if error.is_connect() || error.is_builder() => {
            Verdict::failed("COULD_NOT_CONNECT", "Connection failed")
        }
        Err(_) => Verdict::failed("UNCLASSIFIED", "Connection closed unexpectedly"),
    }
}
