//! What every message object may have: quick reply and sender.
//! <https://developers.line.biz/en/reference/messaging-api/#quick-reply>,
//! <https://developers.line.biz/en/reference/messaging-api/#icon-nickname-switch>.

use serde::Serialize;

use super::{
    action::{self, Action, Place},
    violation::{MAX_URL, Need, Object, Report, Unit},
};

/// Most quick reply buttons.
const MAX_ITEMS: usize = 13;
/// Longest name of a sender, in UTF-16 code units.
const MAX_SENDER_NAME: usize = 20;

/// Buttons at the bottom of the chat; only the last message's are shown, and only on iOS and Android.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuickReply {
    /// 1 to 13 buttons.
    pub items: Vec<QuickReplyItem>,
}

/// A quick reply button.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename = "action", rename_all = "camelCase")]
pub struct QuickReplyItem {
    /// What a tap does; needs a label of at most 20 characters.
    pub action: Action,
    /// Address of the icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
}

/// Another name and icon for one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The name, at most 20 characters; LINE forbids some words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of the icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
}

pub(super) fn check(message: &Object<'_>, report: &mut Report) {
    let Some(quick_reply) = message.object("quickReply", Need::Optional, report) else { return };
    let Some(items) = quick_reply.objects("items", Need::Required, 1..=MAX_ITEMS, report) else { return };
    for item in &items {
        item.one_of("type", Need::Optional, &["action"], report);
        item.https("imageUrl", Need::Optional, MAX_URL, report);
        if let Some(action) = item.object("action", Need::Required, report) {
            action::check(&action, Place::QuickReply, report);
        }
    }
}

pub(super) fn check_sender(message: &Object<'_>, report: &mut Report) {
    let Some(sender) = message.object("sender", Need::Optional, report) else { return };
    sender.text("name", Need::Optional, MAX_SENDER_NAME, Unit::Utf16, report);
    sender.https("iconUrl", Need::Optional, MAX_URL, report);
}
