//! What a message event carries: <https://developers.line.biz/en/reference/messaging-api/#message-event>.

use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::lenient;
use crate::{
    id::{MessageId, UserId},
    open_enum::open_enum,
};

/// A message somebody sent to the official account.
#[derive(Clone, PartialEq)]
pub struct MessageContent {
    /// The message; an edited message keeps the id of the original.
    pub id: MessageId,
    /// What was sent.
    pub content: Content,
    /// To quote this message in an answer in the same chat. Never expires.
    pub quote_token: Option<String>,
    /// To mark this message and all before it as read. Never expires; absent on edits.
    pub mark_as_read_token: Option<String>,
    /// The message that this one quotes. Its content cannot be retrieved.
    pub quoted_message_id: Option<MessageId>,
}

/// What was sent.
#[derive(Clone, PartialEq)]
pub enum Content {
    /// A text.
    Text(Text),
    /// A picture; a set of pictures comes as one message each.
    Image {
        /// Where the picture is.
        provider: ContentProvider,
        /// The set it belongs to.
        set: Option<ImageSet>,
    },
    /// A video.
    Video(Media),
    /// A voice message.
    Audio(Media),
    /// A file; its content is always fetched by message id.
    File {
        /// Its name as the sender's device wrote it: untrusted.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A place.
    Location {
        /// Name of the place.
        title: Option<String>,
        /// Its address.
        address: Option<String>,
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
    /// A sticker; its picture cannot be retrieved.
    Sticker(Sticker),
    /// A type this version does not know, or a known type without what it must have. The event keeps the raw JSON.
    Other {
        /// The type as LINE wrote it.
        kind: String,
    },
}

/// A text message.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Text {
    /// The text. LINE emoji stand in it as `(name)`, mentions as display names.
    pub text: String,
    /// LINE emoji within the text.
    #[serde(default, deserialize_with = "lenient::list")]
    pub emojis: Vec<Emoji>,
    /// Mentions within the text, at most 20.
    #[serde(default, rename = "mention", deserialize_with = "mentions")]
    pub mentions: Vec<Mention>,
}

/// A LINE emoji within a text. Index and length are presumably in UTF-16 code units (LINE does not say).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Emoji {
    /// Where it begins.
    pub index: u32,
    /// How long its placeholder is.
    pub length: u32,
    /// The set it belongs to.
    pub product_id: String,
    /// The emoji within the set.
    pub emoji_id: String,
}

/// A mention within a text. Index and length are presumably in UTF-16 code units (LINE does not say).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mention {
    /// Where it begins.
    pub index: u32,
    /// How long the mentioned name is.
    pub length: u32,
    /// Who is meant.
    #[serde(rename = "type")]
    pub kind: MentioneeKind,
    /// The user meant, if LINE may tell.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub user_id: Option<UserId>,
    /// Whether the bot itself is meant.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub is_self: Option<bool>,
}

open_enum! {
    /// Whom a mention means.
    MentioneeKind {
        /// One user.
        User = "user",
        /// Everybody in the chat.
        All = "all",
    }
}

/// Where the bytes of a picture, video or voice message are.
#[derive(Clone, PartialEq, Eq)]
pub enum ContentProvider {
    /// At LINE: fetch by message id, promptly.
    Line,
    /// Elsewhere, at addresses somebody else chose: untrusted, and not to be had from LINE.
    External {
        /// Address of the content.
        original_content_url: Option<String>,
        /// Address of the preview.
        preview_image_url: Option<String>,
    },
    /// A kind this version does not know.
    Other(String),
}

/// A set of pictures sent together; the order of arrival is undefined.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct ImageSet {
    /// The set.
    pub id: String,
    /// Place in the set, from 1; absent from very old devices.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub index: Option<u32>,
    /// Pictures in the set; absent from very old devices.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub total: Option<u32>,
}

/// A video or voice message.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// Length in milliseconds.
    pub duration_ms: Option<u64>,
    /// Where the bytes are.
    pub provider: ContentProvider,
}

/// A sticker.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sticker {
    /// The package.
    pub package_id: String,
    /// The sticker within the package.
    pub sticker_id: String,
    /// How it moves and sounds.
    #[serde(default, rename = "stickerResourceType", deserialize_with = "lenient::optional")]
    pub resource_type: Option<StickerResourceType>,
    /// Words that describe it: at most 15, chosen at random, experimental.
    #[serde(default, deserialize_with = "lenient::list")]
    pub keywords: Vec<String>,
    /// What the sender wrote into a message sticker.
    #[serde(default, deserialize_with = "lenient::optional")]
    pub text: Option<String>,
}

open_enum! {
    /// How a sticker moves and sounds.
    StickerResourceType {
        /// Still.
        Static = "STATIC",
        /// Moving.
        Animation = "ANIMATION",
        /// With sound.
        Sound = "SOUND",
        /// Moving, with sound.
        AnimationSound = "ANIMATION_SOUND",
        /// Over the whole screen.
        Popup = "POPUP",
        /// Over the whole screen, with sound.
        PopupSound = "POPUP_SOUND",
        /// With a text the buyer chose.
        Custom = "CUSTOM",
        /// With a text the sender wrote.
        Message = "MESSAGE",
        /// With a name on it.
        NameText = "NAME_TEXT",
        /// With a text per sticker.
        PerStickerText = "PER_STICKER_TEXT",
    }
}

impl Content {
    /// The message types this version knows.
    pub const KNOWN: &'static [&'static str] = &["text", "image", "video", "audio", "file", "location", "sticker"];

    /// The type as LINE writes it.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text(_) => "text",
            Self::Image { .. } => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::File { .. } => "file",
            Self::Location { .. } => "location",
            Self::Sticker(_) => "sticker",
            Self::Other { kind } => kind,
        }
    }

    /// Whether LINE keeps bytes for it, to be fetched by message id.
    pub fn is_kept_by_line(&self) -> bool {
        match self {
            Self::Image { provider, .. } => *provider == ContentProvider::Line,
            Self::Video(media) | Self::Audio(media) => media.provider == ContentProvider::Line,
            Self::File { .. } => true,
            Self::Text(_) | Self::Location { .. } | Self::Sticker(_) | Self::Other { .. } => false,
        }
    }

    fn read(kind: &str, value: &Value) -> Option<Self> {
        Some(match kind {
            "text" => Self::Text(property(value)?),
            "image" => Self::Image {
                provider: ContentProvider::read(value.get("contentProvider")),
                set: value.get("imageSet").and_then(property),
            },
            "video" => Self::Video(Media::read(value)),
            "audio" => Self::Audio(Media::read(value)),
            "file" => Self::File {
                name: value.get("fileName").and_then(property).unwrap_or_default(),
                size: value.get("fileSize").and_then(Value::as_u64).unwrap_or_default(),
            },
            "location" => Self::Location {
                title: value.get("title").and_then(property),
                address: value.get("address").and_then(property),
                latitude: value.get("latitude")?.as_f64()?,
                longitude: value.get("longitude")?.as_f64()?,
            },
            "sticker" => Self::Sticker(property(value)?),
            _ => return None,
        })
    }
}

impl MessageContent {
    /// Reads a message object; none if it has no `id` and `type`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let kind = value.get("type")?.as_str()?;
        let text = |name: &str| value.get(name).and_then(property);
        Some(Self {
            id: value.get("id").and_then(property)?,
            content: Content::read(kind, value).unwrap_or_else(|| Content::Other { kind: kind.to_owned() }),
            quote_token: text("quoteToken"),
            mark_as_read_token: text("markAsReadToken"),
            quoted_message_id: value.get("quotedMessageId").and_then(property),
        })
    }
}

impl Media {
    fn read(value: &Value) -> Self {
        Self {
            duration_ms: value.get("duration").and_then(Value::as_u64),
            provider: ContentProvider::read(value.get("contentProvider")),
        }
    }
}

impl ContentProvider {
    /// Reads a provider; LINE itself where LINE names none.
    fn read(value: Option<&Value>) -> Self {
        let text = |name: &str| value.and_then(|value| value.get(name)).and_then(property::<String>);
        match text("type").as_deref() {
            None | Some("line") => Self::Line,
            Some("external") => Self::External {
                original_content_url: text("originalContentUrl"),
                preview_image_url: text("previewImageUrl"),
            },
            Some(other) => Self::Other(other.to_owned()),
        }
    }
}

fn property<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn mentions<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Mention>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let mentionees = value.get("mentionees").and_then(Value::as_array);
    Ok(mentionees.into_iter().flatten().filter_map(property).collect())
}

super::hides_content!(Text, Mention, ContentProvider, Media, Sticker, Emoji, ImageSet);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.kind())
    }
}

impl fmt::Debug for MessageContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageContent({}, {})", self.id, self.content.kind())
    }
}
