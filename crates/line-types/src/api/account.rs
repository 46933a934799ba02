//! The official account and its chats.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{id::BotUserId, open_enum::open_enum};

/// `GET /v2/bot/info`: <https://developers.line.biz/en/reference/messaging-api/#get-bot-info>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BotInfo {
    /// The bot; equals `destination` of its webhooks.
    pub user_id: BotUserId,
    /// The id people search by, `@` and letters.
    pub basic_id: String,
    /// The paid id, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub premium_id: Option<String>,
    /// Name of the official account.
    pub display_name: String,
    /// Address of its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_url: Option<String>,
    /// Whether staff chat in LINE's own manager.
    pub chat_mode: ChatMode,
    /// Who marks messages as read.
    pub mark_as_read_mode: MarkAsReadMode,
}

open_enum! {
    /// Whether Chat is on in the response settings.
    ChatMode {
        /// On.
        Chat = "chat",
        /// Off.
        Bot = "bot",
    }
}

open_enum! {
    /// Who marks messages as read.
    MarkAsReadMode {
        /// LINE does, at once.
        Auto = "auto",
        /// Somebody must.
        Manual = "manual",
    }
}

/// `POST /v2/bot/user/{userId}/linkToken`: valid 10 minutes, once
/// (<https://developers.line.biz/en/reference/messaging-api/#issue-link-token>).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkToken {
    /// The token: whoever has it can start the dialog.
    pub link_token: String,
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken(..)")
    }
}

/// `POST /v2/bot/chat/loading/start`: <https://developers.line.biz/en/reference/messaging-api/#display-a-loading-indicator>.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadingStart {
    /// A user; groups and rooms are refused.
    pub chat_id: String,
    /// 5 to 60 in steps of 5; LINE takes 20 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loading_seconds: Option<u32>,
}

/// `POST /v2/bot/chat/markAsRead`: <https://developers.line.biz/en/reference/messaging-api/#mark-as-read>.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarkAsRead {
    /// The token of the newest message to mark; all earlier ones are marked with it.
    pub mark_as_read_token: String,
}

/// `GET /v2/bot/message/{id}/content/transcoding`:
/// <https://developers.line.biz/en/reference/messaging-api/#verify-video-or-audio-preparation-status>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcoding {
    /// How far LINE is.
    pub status: TranscodingStatus,
}

open_enum! {
    /// How far LINE is with preparing a video or voice message.
    TranscodingStatus {
        /// Not ready.
        Processing = "processing",
        /// Ready to fetch.
        Succeeded = "succeeded",
        /// Never to be had.
        Failed = "failed",
    }
}
