//! What people write: text, stickers, pictures, sound, files, places; editing and taking back.
//!
//! Contents: <https://developers.line.biz/en/reference/messaging-api/#message-event>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::act::Scene;
use super::content::{Content, MediaKind};
use super::event::Done;
use super::world::{ActError, World};

/// A message a person writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Writing {
    /// A text.
    Text {
        /// What it says.
        text: String,
        /// Properties to add as they are: `emojis`, `mention`, `quotedMessageId`.
        #[serde(default)]
        extra: Option<Value>,
    },
    /// A sticker.
    Sticker {
        /// Sticker package.
        package_id: String,
        /// Sticker.
        sticker_id: String,
    },
    /// A picture.
    Image(Media),
    /// A video.
    Video(Media),
    /// A sound.
    Audio(Media),
    /// A file.
    File {
        /// Its name.
        file_name: String,
        /// What is in it.
        #[serde(flatten)]
        media: Media,
    },
    /// A place.
    Location {
        /// Its name.
        #[serde(default)]
        title: Option<String>,
        /// Its address.
        #[serde(default)]
        address: Option<String>,
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
}

/// A picture, video, sound or file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Media {
    /// The bytes, in Base64. A few bytes of the right kind when absent.
    pub content_base64: Option<String>,
    /// Media type; the usual one of the kind when absent.
    pub content_type: Option<String>,
    /// Length of video or sound.
    pub duration_ms: Option<u64>,
    /// Downloads answer 202 for so long.
    pub preparing_ms: u64,
    /// Preparation ends in failure.
    pub broken: bool,
    /// The content lies elsewhere (`contentProvider.type` = `external`) and cannot be fetched from LINE.
    pub external_url: Option<String>,
    /// `imageSet` of several pictures sent at once.
    pub image_set: Option<Value>,
}

impl World {
    pub(super) fn write(&mut self, now: DateTime<Utc>, scene: &Scene, writing: Writing) -> Result<Done, ActError> {
        let id = self.mint.message_id();
        let mut message = self.compose(now, scene, &id, writing)?;
        message["id"] = json!(id);
        message["markAsReadToken"] = json!(self.mint.mark_as_read_token(&scene.channel, &id));
        if matches!(message["type"].as_str(), Some("text" | "image" | "video" | "sticker")) {
            message["quoteToken"] = json!(self.mint.quote_token(&scene.channel, &scene.chat, &id));
        }
        if scene.chat.is_user() {
            let friendship = self.friendship_mut(&scene.channel, &scene.person)?;
            if friendship.blocked {
                return Err(ActError::Impossible("the account is blocked"));
            }
            friendship.wrote_at = Some(now);
        }
        self.written.insert(id.clone(), (scene.channel.clone(), scene.person.clone(), scene.chat.clone()));
        let done = self.emit(now, &scene.channel, scene.replyable("message").with("message", message));
        Ok(Done { message_id: Some(id), ..done })
    }

    fn compose(&mut self, now: DateTime<Utc>, scene: &Scene, id: &str, writing: Writing) -> Result<Value, ActError> {
        Ok(match writing {
            Writing::Text { text, extra } => {
                let mut message = extra.filter(Value::is_object).unwrap_or_else(|| json!({}));
                message["type"] = json!("text");
                message["text"] = json!(text);
                message
            }
            Writing::Sticker { package_id, sticker_id } => json!({
                "type": "sticker", "packageId": package_id, "stickerId": sticker_id,
                "stickerResourceType": "STATIC", "keywords": ["hello"],
            }),
            Writing::Image(media) => {
                let mut message = json!({ "type": "image", "contentProvider": provider(&media) });
                if let Some(set) = &media.image_set {
                    message["imageSet"] = set.clone();
                }
                self.store(now, scene, id, MediaKind::Image, media)?;
                message
            }
            Writing::Video(media) => self.timed(now, scene, id, MediaKind::Video, media)?,
            Writing::Audio(media) => self.timed(now, scene, id, MediaKind::Audio, media)?,
            Writing::File { file_name, media } => {
                let size = self.store(now, scene, id, MediaKind::File, media)?;
                json!({ "type": "file", "fileName": file_name, "fileSize": size })
            }
            Writing::Location { title, address, latitude, longitude } => {
                let mut message = json!({ "type": "location", "latitude": latitude, "longitude": longitude });
                for (name, value) in [("title", title), ("address", address)] {
                    if let Some(value) = value {
                        message[name] = json!(value);
                    }
                }
                message
            }
        })
    }

    fn timed(
        &mut self,
        now: DateTime<Utc>,
        scene: &Scene,
        id: &str,
        kind: MediaKind,
        media: Media,
    ) -> Result<Value, ActError> {
        let name = if kind == MediaKind::Video { "video" } else { "audio" };
        let duration = media.duration_ms.unwrap_or(1_000);
        let message = json!({ "type": name, "duration": duration, "contentProvider": provider(&media) });
        self.store(now, scene, id, kind, media)?;
        Ok(message)
    }

    /// Keeps the bytes for download; tells how many there are.
    fn store(
        &mut self,
        now: DateTime<Utc>,
        scene: &Scene,
        id: &str,
        kind: MediaKind,
        media: Media,
    ) -> Result<usize, ActError> {
        if media.external_url.is_some() {
            return Ok(0);
        }
        let (usual_type, sample) = sample(kind);
        let bytes = match &media.content_base64 {
            Some(text) => STANDARD.decode(text).map_err(|_| ActError::Impossible("the content is not Base64"))?,
            None => sample.to_vec(),
        };
        let size = bytes.len();
        let preparing = TimeDelta::milliseconds(i64::try_from(media.preparing_ms).unwrap_or(i64::MAX));
        let content = Content {
            kind,
            media_type: media.content_type.unwrap_or_else(|| usual_type.to_owned()),
            bytes,
            ready_at: now + preparing.min(TimeDelta::days(1)),
            broken: media.broken,
        };
        self.contents.keep(scene.channel.clone(), id.to_owned(), content);
        Ok(size)
    }

    pub(super) fn edit(
        &mut self,
        now: DateTime<Utc>,
        scene: &Scene,
        message_id: &str,
        text: &str,
    ) -> Result<Done, ActError> {
        self.check_author(scene, message_id)?;
        if !scene.chat.as_str().starts_with('C') {
            return Err(ActError::Impossible("only messages in groups can be edited"));
        }
        let quote = self.mint.quote_token(&scene.channel, &scene.chat, message_id);
        let message = json!({ "type": "text", "id": message_id, "text": text, "quoteToken": quote });
        let done = self.emit(now, &scene.channel, scene.replyable("messageEdited").with("message", message));
        Ok(Done { message_id: Some(message_id.to_owned()), ..done })
    }

    pub(super) fn unsend(&mut self, now: DateTime<Utc>, scene: &Scene, message_id: &str) -> Result<Done, ActError> {
        self.check_author(scene, message_id)?;
        self.contents.unsend(&scene.channel, message_id);
        let parts = scene.silent("unsend").with("unsend", json!({ "messageId": message_id }));
        Ok(self.emit(now, &scene.channel, parts))
    }

    fn check_author(&self, scene: &Scene, message_id: &str) -> Result<(), ActError> {
        let (channel, person, chat) = self.written.get(message_id).ok_or(ActError::Unknown("message"))?;
        if *channel == scene.channel && *person == scene.person && *chat == scene.chat {
            Ok(())
        } else {
            Err(ActError::Impossible("the message is not this person's in this chat"))
        }
    }
}

fn provider(media: &Media) -> Value {
    match &media.external_url {
        Some(url) => json!({ "type": "external", "originalContentUrl": url, "previewImageUrl": url }),
        None => json!({ "type": "line" }),
    }
}

/// The usual media type of a kind, and a few bytes that begin as such a file does.
fn sample(kind: MediaKind) -> (&'static str, &'static [u8]) {
    match kind {
        MediaKind::Image => {
            ("image/jpeg", b"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xFF\xD9")
        }
        MediaKind::Video => ("video/mp4", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"),
        MediaKind::Audio => ("audio/x-m4a", b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A isom"),
        MediaKind::File => ("application/octet-stream", b"file"),
    }
}
