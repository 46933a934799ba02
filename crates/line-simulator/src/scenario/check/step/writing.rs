//! Messages that are not texts.

use super::LENGTH;
use crate::scenario::file::{MediaFile, Sends};
use crate::scenario::moment::length;
use crate::state::writing::{Media, Writing};

/// What a person sends.
pub(super) fn of(sends: Sends) -> Result<Writing, String> {
    Ok(match sends {
        Sends::Sticker { package_id, sticker_id } => Writing::Sticker { package_id, sticker_id },
        Sends::Image(media) => Writing::Image(of_media(media)?),
        Sends::Video(media) => Writing::Video(of_media(media)?),
        Sends::Audio(media) => Writing::Audio(of_media(media)?),
        Sends::File { file_name, content_base64, content_type } => {
            Writing::File { file_name, media: Media { content_base64, content_type, ..Media::default() } }
        }
        Sends::Location { title, address, latitude, longitude } => {
            Writing::Location { title, address, latitude, longitude }
        }
    })
}

fn of_media(file: MediaFile) -> Result<Media, String> {
    let millis = |key: &str, text: Option<String>| {
        text.map(|text| {
            let millis = length(&text).and_then(|length| u64::try_from(length.num_milliseconds()).ok());
            millis.ok_or_else(|| format!("sends: {key}: {LENGTH}"))
        })
        .transpose()
    };
    Ok(Media {
        content_base64: file.content_base64,
        content_type: file.content_type,
        duration_ms: millis("duration", file.duration)?,
        preparing_ms: millis("preparing", file.preparing)?.unwrap_or(0),
        broken: file.broken,
        external_url: file.external_url,
        image_set: file.image_set,
    })
}
