//! What users sent that is more than text: kept for download, in preparation for a while, gone after unsend.
//!
//! <https://developers.line.biz/en/reference/messaging-api/#get-content>

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::id::ChannelId;
use super::refusal::Refusal;

/// What kind of media a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Image,
    Video,
    Audio,
    File,
}

/// One downloadable content.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) kind: MediaKind,
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    /// Large video and audio are being prepared until then.
    pub(crate) ready_at: DateTime<Utc>,
    /// Preparation ends in failure.
    pub(crate) broken: bool,
}

/// How far preparation is, in LINE's words.
pub(crate) fn transcoding(content: &Content, now: DateTime<Utc>) -> &'static str {
    match (now < content.ready_at, content.broken) {
        (true, _) => "processing",
        (false, true) => "failed",
        (false, false) => "succeeded",
    }
}

#[derive(Debug)]
enum Held {
    There(Content),
    Unsent,
}

/// Contents by channel and message ID.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    held: HashMap<(ChannelId, String), Held>,
}

impl Contents {
    pub(crate) fn keep(&mut self, channel: ChannelId, message_id: String, content: Content) {
        self.held.insert((channel, message_id), Held::There(content));
    }

    pub(crate) fn unsend(&mut self, channel: &ChannelId, message_id: &str) {
        if let Some(held) = self.held.get_mut(&(channel.clone(), message_id.to_owned())) {
            *held = Held::Unsent;
        }
    }

    /// 404 when it was never there, 410 when the user took it back.
    pub(crate) fn find(&self, channel: &ChannelId, message_id: &str) -> Result<&Content, Refusal> {
        match self.held.get(&(channel.clone(), message_id.to_owned())) {
            Some(Held::There(content)) => Ok(content),
            Some(Held::Unsent) => Err(Refusal::Gone),
            None => Err(Refusal::NotFound),
        }
    }
}
