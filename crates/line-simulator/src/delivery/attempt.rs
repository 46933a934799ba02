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

/// A webhook request as it leaves: the exact body, and the signature over it.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) body: String,
    pub(crate) signature: String,
}

/// Makes the body of these events and signs it; none when the secret cannot sign.
pub(crate) fn seal(secret: &str, destination: &UserId, events: &[Value]) -> Option<Sealed> {
    let body = json!({ "destination": destination, "events": events }).to_string();
    let signature = sign(&ChannelSecret::parse(secret).ok()?, body.as_bytes());
    Some(Sealed { body, signature })
}

/// Signs and sends; never fails, only reports.
pub(crate) async fn deliver(http: &reqwest::Client, url: &str, sealed: Option<Sealed>) -> Verdict {
    match sealed {
        Some(Sealed { body, signature }) => post(http, url, body, &signature).await,
        None => Verdict::failed("UNCLASSIFIED", "the channel secret cannot sign"),
    }
}

/// The client webhooks are sent with: no redirects, no proxies.
pub(crate) fn http_client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent("LineBotWebhook/2.0")
        .build()
}

/// Sends a body with its signature; never fails, only reports.
pub(crate) async fn post(http: &reqwest::Client, url: &str, body: String, signature: &str) -> Verdict {
    let request = http
        .post(url)
        .timeout(TIME_LIMIT)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-line-signature", signature)
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
