//! How LINE says no.

use serde::{Deserialize, Serialize};

use super::send::SentMessage;

/// An error of the Messaging API: <https://developers.line.biz/en/reference/messaging-api/#error-responses>.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The reason. LINE does not promise its wording.
    pub message: String,
    /// What is wrong with which property, if LINE tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<ErrorDetail>,
    /// On 409 to a push: the messages of the accepted request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_messages: Vec<SentMessage>,
}

/// One detail of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where, for example `messages[0].text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// An error of the token and login endpoints (RFC 6749 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthError {
    /// The code, for example `invalid_request`.
    pub error: String,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}
