//! The webhook address of a channel.

use serde::{Deserialize, Serialize};

use crate::open_enum::open_enum;

/// `GET /v2/bot/channel/webhook/endpoint`:
/// <https://developers.line.biz/en/reference/messaging-api/#get-webhook-endpoint-information>.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpoint {
    /// The address.
    pub endpoint: String,
    /// Whether "Use webhook" is on.
    pub active: bool,
}

/// Body of setting (`PUT …/endpoint`) and testing (`POST …/test`) an address of at most 500 characters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpointAddress {
    /// The address; when testing, the one set where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// `POST /v2/bot/channel/webhook/test`: <https://developers.line.biz/en/reference/messaging-api/#test-webhook-endpoint>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookTest {
    /// Whether the endpoint answered well.
    #[serde(default)]
    pub success: bool,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// The endpoint's status; 0 if it gave none.
    pub status_code: u16,
    /// How it went.
    pub reason: WebhookTestReason,
    /// More about it.
    pub detail: String,
}

open_enum! {
    /// How the test of a webhook address went.
    WebhookTestReason {
        /// Well.
        Ok = "OK",
        /// No connection.
        CouldNotConnect = "COULD_NOT_CONNECT",
        /// No answer in time.
        RequestTimeout = "REQUEST_TIMEOUT",
        /// A status other than 2xx.
        ErrorStatusCode = "ERROR_STATUS_CODE",
        /// Something else.
        Unclassified = "UNCLASSIFIED",
    }
}

// The webhook address carries the webhook key in its path, so `Debug` shows none.
impl std::fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookEndpoint(.., active: {})", self.active)
    }
}

impl std::fmt::Debug for WebhookEndpointAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookEndpointAddress(..)")
    }
}
