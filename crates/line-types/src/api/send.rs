//! Sending: <https://developers.line.biz/en/docs/messaging-api/sending-messages/>.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::MessageId;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// `POST /v2/bot/message/reply`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplyRequest {
    /// The token of the event answered.
    pub reply_token: String,
    /// 1 to 5 message objects.
    pub messages: Vec<Value>,
    /// Whether the recipient's device stays silent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notification_disabled: bool,
}

/// `POST /v2/bot/message/push`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PushRequest {
    /// One user, group or room.
    pub to: String,
    /// 1 to 5 message objects.
    pub messages: Vec<Value>,
    /// Whether the recipient's device stays silent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notification_disabled: bool,
    /// At most one name of `[A-Za-z0-9_]{1,30}` to count the delivery under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_aggregation_units: Vec<String>,
}

/// `POST /v2/bot/message/multicast`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MulticastRequest {
    /// 1 to 500 users.
    pub to: Vec<String>,
    /// 1 to 5 message objects.
    pub messages: Vec<Value>,
    /// Whether the recipients' devices stay silent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub notification_disabled: bool,
    /// At most one name of `[A-Za-z0-9_]{1,30}` to count the delivery under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_aggregation_units: Vec<String>,
}

/// `POST /v2/bot/message/validate/{method}`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidateRequest {
    /// 1 to 5 message objects.
    pub messages: Vec<Value>,
}

/// What LINE says about one accepted message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentMessage {
    /// The message.
    pub id: MessageId,
    /// To quote it later in the same chat; only on types that can be quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_token: Option<String>,
}

/// The answer to an accepted reply or push: one entry per message, in the order sent. Acceptance, not delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentMessages {
    /// One entry per message.
    #[serde(default)]
    pub sent_messages: Vec<SentMessage>,
}

impl fmt::Debug for SentMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SentMessage({})", self.id)
    }
}

impl fmt::Debug for ReplyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyRequest({} messages)", self.messages.len())
    }
}

impl fmt::Debug for PushRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushRequest({} messages)", self.messages.len())
    }
}

impl fmt::Debug for MulticastRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MulticastRequest({} messages to {})", self.messages.len(), self.to.len())
    }
}

impl fmt::Debug for ValidateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValidateRequest({} messages)", self.messages.len())
    }
}
