//! Imagemaps: <https://developers.line.biz/en/reference/messaging-api/#imagemap-message>.

use serde::Serialize;

use super::{
    action::{MAX_CLIPBOARD, check_link},
    violation::{MAX_URL, Need, Object, Report, Unit},
};

/// Most tappable areas.
const MAX_ACTIONS: usize = 50;
/// The one width an imagemap has.
const WIDTH: i64 = 1_040;
/// Longest text an area sends, in UTF-16 code units.
const MAX_MESSAGE: usize = 400;
/// Longest label of an area, read out by assistive technology.
const MAX_LABEL: usize = 100;
/// Longest label of the link after a video.
const MAX_LINK_LABEL: usize = 30;

/// The size of an imagemap in its own coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BaseSize {
    /// Always 1,040.
    pub width: u32,
    /// Height at that width.
    pub height: u32,
}

/// A rectangle of an imagemap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Area {
    /// From the left edge.
    pub x: u32,
    /// From the top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// What a tap on an area does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ImagemapAction {
    /// Opens an address.
    Uri {
        /// The address.
        link_uri: String,
        /// Where.
        area: Area,
    },
    /// Sends a text in the user's name.
    Message {
        /// The text.
        text: String,
        /// Where.
        area: Area,
    },
    /// Copies a text.
    Clipboard {
        /// The text.
        clipboard_text: String,
        /// Where.
        area: Area,
    },
}

/// A video played on an imagemap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagemapVideo {
    /// Address of the video.
    pub original_content_url: String,
    /// Address of its preview.
    pub preview_image_url: String,
    /// Where.
    pub area: Area,
    /// A link shown after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_link: Option<ExternalLink>,
}

/// A link shown after a video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalLink {
    /// The address.
    pub link_uri: String,
    /// What it says.
    pub label: String,
}

pub(super) fn check(message: &Object<'_>, report: &mut Report) {
    message.https("baseUrl", Need::Required, MAX_URL, report);
    super::object::check_alt_text(message, report);
    if let Some(size) = message.object("baseSize", Need::Required, report) {
        size.integer("width", Need::Required, WIDTH..=WIDTH, report);
        size.integer("height", Need::Required, 1..=i64::from(i32::MAX), report);
    }
    for action in message.objects("actions", Need::Required, 0..=MAX_ACTIONS, report).into_iter().flatten() {
        check_action(&action, report);
    }
    if let Some(video) = message.object("video", Need::Optional, report) {
        check_video(&video, report);
    }
}

fn check_action(action: &Object<'_>, report: &mut Report) {
    match action.one_of("type", Need::Required, &["uri", "message", "clipboard"], report) {
        Some("uri") => check_link(action, "linkUri", report),
        Some("message") => {
            action.text("text", Need::Required, MAX_MESSAGE, Unit::Utf16, report);
        }
        Some("clipboard") => {
            action.text("clipboardText", Need::Required, MAX_CLIPBOARD, Unit::Utf16, report);
        }
        _ => {}
    }
    action.text("label", Need::Optional, MAX_LABEL, Unit::Graphemes, report);
    check_area(action, report);
}

fn check_video(video: &Object<'_>, report: &mut Report) {
    video.https("originalContentUrl", Need::Required, MAX_URL, report);
    video.https("previewImageUrl", Need::Required, MAX_URL, report);
    check_area(video, report);
    if let Some(link) = video.object("externalLink", Need::Optional, report) {
        check_link(&link, "linkUri", report);
        link.text("label", Need::Required, MAX_LINK_LABEL, Unit::Graphemes, report);
    }
}

fn check_area(object: &Object<'_>, report: &mut Report) {
    let Some(area) = object.object("area", Need::Required, report) else { return };
    for name in ["x", "y", "width", "height"] {
        area.integer(name, Need::Required, 0..=i64::from(i32::MAX), report);
    }
}
