//! Message objects, built: <https://developers.line.biz/en/reference/messaging-api/#message-objects>.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    imagemap::{BaseSize, ImagemapAction, ImagemapVideo},
    quick_reply::{QuickReply, Sender},
    template::Template,
    text::{EmojiPlace, Substitution, escape_braces, substitution_object},
    violation::{Need, Object, Report, Unit},
};

/// The message types LINE takes.
pub const KNOWN_TYPES: &[&str] =
    &["text", "textV2", "sticker", "image", "video", "audio", "location", "imagemap", "template", "flex", "coupon"];
/// Longest alternative text, in UTF-16 code units.
const MAX_ALT_TEXT: usize = 1_500;

/// A message object: what it says, and what every message may have.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What it says.
    #[serde(flatten)]
    pub body: MessageBody,
    /// Buttons at the bottom of the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quick_reply: Option<QuickReply>,
    /// Another name and icon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Sender>,
}

/// What a message says. Everything optional is left out where `None` or empty.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum MessageBody {
    /// A text of at most 5,000 UTF-16 code units.
    Text {
        /// The text; a `$` where an emoji goes.
        text: String,
        /// At most 20 LINE emoji.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        emojis: Vec<EmojiPlace>,
        /// The message quoted.
        #[serde(skip_serializing_if = "Option::is_none")]
        quote_token: Option<String>,
    },
    /// A text with placeholders.
    #[serde(rename = "textV2")]
    TextV2 {
        /// The text; `{key}` where a substitution goes, literal braces doubled.
        text: String,
        /// The substitutions, as an object. See [`Message::text_v2`].
        #[serde(skip_serializing_if = "Value::is_null")]
        substitution: Value,
        /// The message quoted.
        #[serde(skip_serializing_if = "Option::is_none")]
        quote_token: Option<String>,
    },
    /// A sticker of LINE's published list.
    Sticker {
        /// The package.
        package_id: String,
        /// The sticker within the package.
        sticker_id: String,
        /// The message quoted.
        #[serde(skip_serializing_if = "Option::is_none")]
        quote_token: Option<String>,
    },
    /// A picture, JPEG or PNG.
    Image {
        /// Address of the picture, at most 10 MB.
        original_content_url: String,
        /// Address of its preview, at most 1 MB.
        preview_image_url: String,
    },
    /// A video, mp4.
    Video {
        /// Address of the video, at most 200 MB.
        original_content_url: String,
        /// Address of its preview, at most 1 MB.
        preview_image_url: String,
        /// Asks for a `videoPlayComplete` event with this id; not in groups.
        #[serde(skip_serializing_if = "Option::is_none")]
        tracking_id: Option<String>,
    },
    /// A sound, mp3 or m4a.
    Audio {
        /// Address of the sound, at most 200 MB.
        original_content_url: String,
        /// Its length in milliseconds.
        duration: u64,
    },
    /// A place.
    Location {
        /// Its name.
        title: String,
        /// Its address.
        address: String,
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// A picture with areas to tap.
    Imagemap {
        /// Address under which the picture lies in each width.
        base_url: String,
        /// Read where the picture cannot be shown.
        alt_text: String,
        /// Its size.
        base_size: BaseSize,
        /// At most 50 areas.
        actions: Vec<ImagemapAction>,
        /// A video on it.
        #[serde(skip_serializing_if = "Option::is_none")]
        video: Option<ImagemapVideo>,
    },
    /// A template.
    Template {
        /// Read where the template cannot be shown.
        alt_text: String,
        /// The template.
        template: Template,
    },
    /// A Flex message.
    Flex {
        /// Read where the message cannot be shown.
        alt_text: String,
        /// A bubble or carousel, as LINE's simulator writes it.
        contents: Value,
    },
    /// A coupon.
    Coupon {
        /// The coupon.
        coupon_id: String,
        /// To count its use under, at most 30 of `[A-Za-z0-9_]`.
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery_tag: Option<String>,
    },
}

impl From<MessageBody> for Message {
    fn from(body: MessageBody) -> Self {
        Self { body, quick_reply: None, sender: None }
    }
}

impl Message {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        MessageBody::Text { text: text.into(), emojis: Vec::new(), quote_token: None }.into()
    }

    /// A text with placeholders and what stands in their places. Literal braces must be doubled: [`Message::escape`].
    pub fn text_v2(text: impl Into<String>, substitutions: impl IntoIterator<Item = (String, Substitution)>) -> Self {
        let substitution = substitution_object(substitutions);
        MessageBody::TextV2 { text: text.into(), substitution, quote_token: None }.into()
    }

    /// Doubles the braces of a text, so that `textV2` shows it as it is.
    pub fn escape(text: &str) -> String {
        escape_braces(text)
    }

    /// A template.
    pub fn template(alt_text: impl Into<String>, template: Template) -> Self {
        MessageBody::Template { alt_text: alt_text.into(), template }.into()
    }

    /// A Flex message.
    pub fn flex(alt_text: impl Into<String>, contents: Value) -> Self {
        MessageBody::Flex { alt_text: alt_text.into(), contents }.into()
    }

    /// The same message with a quick reply.
    #[must_use]
    pub fn with_quick_reply(mut self, quick_reply: QuickReply) -> Self {
        self.quick_reply = Some(quick_reply);
        self
    }

    /// The same message in another name.
    #[must_use]
    pub fn with_sender(mut self, sender: Sender) -> Self {
        self.sender = Some(sender);
        self
    }

    /// The message object as JSON.
    pub fn to_value(&self) -> Value {
        // Only a number that JSON lacks could fail here, and serde_json writes those as null.
        serde_json::to_value(self).unwrap_or_else(|_| Value::Object(Map::new()))
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(..)")
    }
}

impl std::fmt::Debug for MessageBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageBody(..)")
    }
}

pub(super) fn check_alt_text(message: &Object<'_>, report: &mut Report) {
    message.text("altText", Need::Required, MAX_ALT_TEXT, Unit::Utf16, report);
}
