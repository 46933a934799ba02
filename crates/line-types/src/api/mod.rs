//! Request and response shapes of LINE's APIs, shared by the client and the simulator.
//!
//! Properties that LINE may leave out are `Option`s and are not written when absent; enumerations are open.

mod account;
mod error;
mod follower_count;
mod profile;
mod quota;
mod rich_menu;
mod send;
mod token;
mod webhook_endpoint;

pub use account::{
    BotInfo, ChatMode, LinkToken, LoadingStart, MarkAsRead, MarkAsReadMode, Transcoding, TranscodingStatus,
};
pub use error::{ErrorBody, ErrorDetail, OAuthError};
pub use follower_count::{CountStatus, FollowerCount};
pub use profile::{FollowerIds, GroupSummary, Profile};
pub use quota::{Consumption, Quota, QuotaKind};
pub use rich_menu::{
    RichMenu, RichMenuArea, RichMenuBounds, RichMenuBulkLink, RichMenuBulkUnlink, RichMenuCreated, RichMenuKnown,
    RichMenuList, RichMenuSize,
};
pub use send::{MulticastRequest, PushRequest, ReplyRequest, SentMessage, SentMessages, ValidateRequest};
pub use token::{TokenKeyIds, TokenResponse, VerifiedToken};
pub use webhook_endpoint::{WebhookEndpoint, WebhookEndpointAddress, WebhookTest, WebhookTestReason};

/// Header with the request id LINE gives to every call.
pub const REQUEST_ID_HEADER: &str = "x-line-request-id";
/// Header with the request id of the first accepted call, on answers 409.
pub const ACCEPTED_REQUEST_ID_HEADER: &str = "x-line-accepted-request-id";
/// Header that makes push, multicast, narrowcast and broadcast repeatable for 24 hours.
pub const RETRY_KEY_HEADER: &str = "x-line-retry-key";
/// Header with the signature of a webhook.
pub const SIGNATURE_HEADER: &str = "x-line-signature";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_modes_are_kept() {
        let json = json!({"userId": "U4af4980629aaaabbbbccccddddeeee00", "basicId": "@216ru", "displayName": "Shop",
            "chatMode": "hologram", "markAsReadMode": "auto", "somethingNew": {"deep": 1}});
        let info: BotInfo = serde_json::from_value(json).unwrap();
        assert_eq!(info.chat_mode, ChatMode::Other("hologram".into()));
        assert_eq!(info.mark_as_read_mode, MarkAsReadMode::Auto);
        assert_eq!(serde_json::to_value(&info).unwrap()["chatMode"], "hologram");
    }

    #[test]
    fn absent_properties_are_not_written() {
        let reply = ReplyRequest { reply_token: "t".into(), messages: vec![], notification_disabled: false };
        assert_eq!(serde_json::to_string(&reply).unwrap(), r#"{"replyToken":"t","messages":[]}"#);
        let profile = Profile {
            user_id: crate::id::UserId::parse("U4af4980629aaaabbbbccccddddeeee00").unwrap(),
            display_name: "山田".into(),
            picture_url: None,
            status_message: None,
            language: None,
        };
        assert_eq!(serde_json::to_value(&profile).unwrap().as_object().unwrap().len(), 2);
        assert!(!format!("{profile:?}").contains("山田"));
    }

    #[test]
    fn every_quota_reads() {
        let none: Quota = serde_json::from_value(json!({"type": "none"})).unwrap();
        let limited: Quota = serde_json::from_value(json!({"type": "limited", "value": 1000})).unwrap();
        assert_eq!(none.limit(), None);
        assert_eq!(limited.limit(), Some(1000));
    }

    #[test]
    fn tokens_are_not_shown() {
        let json = json!({"token_type": "Bearer", "access_token": "eyJhbGciOiJIUz", "expires_in": 899});
        let token: TokenResponse = serde_json::from_value(json).unwrap();
        assert_eq!(token.expires_in, 899);
        assert!(!format!("{token:?}").contains("eyJ"));
    }
}
