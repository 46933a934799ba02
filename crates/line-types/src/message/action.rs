//! Actions, what a tap does: <https://developers.line.biz/en/reference/messaging-api/#action-objects>.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde::Serialize;

use super::violation::{Need, Object, Report, Unit};

/// Longest `data` of postbacks and pickers, in UTF-16 code units.
const MAX_DATA: usize = 300;
/// Longest shown text of postbacks and messages, in graphemes.
const MAX_SHOWN: usize = 300;
/// Longest address of a link.
pub(crate) const MAX_URI: usize = 1_000;
/// Longest text to copy.
pub(crate) const MAX_CLIPBOARD: usize = 1_000;
/// Longest name of a rich menu's alias.
const MAX_ALIAS: usize = 32;
/// Schemes a link may have.
pub(crate) const URI_SCHEMES: &[&str] = &["http", "https", "line", "tel"];

/// What a tap does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "label: text of the button, its limit depends on the place; the other fields speak")]
pub enum Action {
    /// Sends us a postback event. `data` comes back from the client and proves nothing by itself.
    Postback {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        data: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        display_text: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        input_option: Option<InputOption>,
        #[serde(skip_serializing_if = "Option::is_none")]
        fill_in_text: Option<String>,
    },
    /// Sends a text in the user's name.
    Message {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        text: String,
    },
    /// Opens an address: http, https, line or tel.
    Uri {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        uri: String,
    },
    /// Asks for a date or time and sends it to us as a postback event, without a time zone.
    #[serde(rename = "datetimepicker")]
    DatetimePicker {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        data: String,
        mode: DatetimeMode,
        #[serde(skip_serializing_if = "Option::is_none")]
        initial: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        min: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        max: Option<String>,
    },
    /// Copies a text (LINE 14.0.0 and newer).
    Clipboard {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        clipboard_text: String,
    },
    /// Shows the rich menu of an alias and sends us a postback event; rich menus only.
    #[serde(rename = "richmenuswitch")]
    RichMenuSwitch {
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        rich_menu_alias_id: String,
        data: String,
    },
    /// Opens the camera; quick replies only.
    Camera { label: String },
    /// Opens the pictures; quick replies only.
    CameraRoll { label: String },
    /// Opens the map; quick replies only.
    Location { label: String },
}

/// What a postback does to the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum InputOption {
    /// Closes the rich menu.
    CloseRichMenu,
    /// Opens the rich menu.
    OpenRichMenu,
    /// Opens the keyboard, filled with `fillInText`.
    OpenKeyboard,
    /// Opens voice input.
    OpenVoice,
}

/// What a picker asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatetimeMode {
    /// `yyyy-MM-dd`, 1900-01-01 to 2100-12-31.
    Date,
    /// `HH:mm`.
    Time,
    /// `yyyy-MM-ddTHH:mm`.
    Datetime,
}

/// Where an action stands; decides its label and the types allowed.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Template,
    /// A template's default action: shown without a label.
    TemplateDefault,
    ImageCarousel,
    QuickReply,
    FlexButton,
    Flex,
    RichMenu,
}

impl Place {
    /// Whether a label is needed, and its limit in graphemes
    /// (<https://developers.line.biz/en/reference/messaging-api/#action-object-label-spec>).
    fn label(self) -> (Need, usize) {
        match self {
            Self::Template | Self::QuickReply => (Need::Required, 20),
            Self::TemplateDefault | Self::RichMenu => (Need::Optional, 20),
            Self::ImageCarousel => (Need::Optional, 12),
            Self::FlexButton => (Need::Required, 40),
            Self::Flex => (Need::Optional, 40),
        }
    }

    fn types(self) -> &'static [&'static str] {
        match self {
            Self::QuickReply => {
                &["postback", "message", "uri", "datetimepicker", "clipboard", "camera", "cameraRoll", "location"]
            }
            Self::RichMenu => &["postback", "message", "uri", "datetimepicker", "richmenuswitch", "clipboard"],
            _ => &["postback", "message", "uri", "datetimepicker", "clipboard"],
        }
    }
}

pub(crate) fn check(action: &Object<'_>, place: Place, report: &mut Report) {
    let kind = action.one_of("type", Need::Required, place.types(), report);
    let (need, max) = place.label();
    action.text("label", need, max, Unit::Graphemes, report);
    match kind {
        Some("postback") => check_postback(action, report),
        Some("message") => {
            action.text("text", Need::Required, MAX_SHOWN, Unit::Graphemes, report);
        }
        Some("uri") => {
            check_link(action, "uri", report);
            if let Some(alternative) = action.object("altUri", Need::Optional, report) {
                let desktop = alternative.text("desktop", Need::Optional, MAX_URI, Unit::Utf16, report);
                if let Some(desktop) = desktop {
                    alternative.scheme("desktop", desktop, URI_SCHEMES, report);
                }
            }
        }
        Some("datetimepicker") => check_picker(action, report),
        Some("clipboard") => {
            action.text("clipboardText", Need::Required, MAX_CLIPBOARD, Unit::Utf16, report);
        }
        Some("richmenuswitch") => {
            action.text("richMenuAliasId", Need::Required, MAX_ALIAS, Unit::Utf16, report);
            action.text("data", Need::Required, MAX_DATA, Unit::Utf16, report);
        }
        _ => {}
    }
}

/// A link that a tap opens.
pub(crate) fn check_link(object: &Object<'_>, name: &str, report: &mut Report) {
    let Some(uri) = object.text(name, Need::Required, MAX_URI, Unit::Utf16, report) else { return };
    if !uri.is_empty() {
        object.scheme(name, uri, URI_SCHEMES, report);
    }
}

fn check_postback(action: &Object<'_>, report: &mut Report) {
    action.text("data", Need::Required, MAX_DATA, Unit::Utf16, report);
    action.text("displayText", Need::Optional, MAX_SHOWN, Unit::Graphemes, report);
    action.text("text", Need::Optional, MAX_SHOWN, Unit::Graphemes, report);
    if action.has("displayText") && action.has("text") {
        report.add(action.at("text"), "may not be specified together with displayText");
    }
    let options = ["closeRichMenu", "openRichMenu", "openKeyboard", "openVoice"];
    let option = action.one_of("inputOption", Need::Optional, &options, report);
    action.text("fillInText", Need::Optional, MAX_SHOWN, Unit::Graphemes, report);
    if action.has("fillInText") && option != Some("openKeyboard") {
        report.add(action.at("fillInText"), "may only be specified with inputOption openKeyboard");
    }
}

fn check_picker(action: &Object<'_>, report: &mut Report) {
    action.text("data", Need::Required, MAX_DATA, Unit::Utf16, report);
    let Some(mode) = action.one_of("mode", Need::Required, &["date", "time", "datetime"], report) else { return };
    let mut moment = |name: &str| {
        let text = action.string(name, Need::Optional, report)?;
        let moment = moment(mode, text);
        if moment.is_none() {
            report.add(action.at(name), "invalid format or out of range");
        }
        moment
    };
    let (initial, min, max) = (moment("initial"), moment("min"), moment("max"));
    if let (Some(min), Some(max)) = (min, max)
        && min >= max
    {
        report.add(action.at("max"), "must be later than min");
    }
    let early = initial.zip(min).is_some_and(|(initial, min)| initial < min);
    let late = initial.zip(max).is_some_and(|(initial, max)| initial > max);
    if early || late {
        report.add(action.at("initial"), "must be between min and max");
    }
}

/// Reads a moment of a picker; none if it has another form, lies outside 1900 to 2100, or the mode is unknown.
fn moment(mode: &str, text: &str) -> Option<NaiveDateTime> {
    let moment = match (mode, text.len()) {
        ("date", 10) => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN),
        ("time", 5) => NaiveDate::from_ymd_opt(2000, 1, 1)?.and_time(NaiveTime::parse_from_str(text, "%H:%M").ok()?),
        ("datetime", 16) => NaiveDateTime::parse_from_str(&text.to_ascii_uppercase(), "%Y-%m-%dT%H:%M").ok()?,
        _ => return None,
    };
    let first = NaiveDate::from_ymd_opt(1900, 1, 1)?.and_time(NaiveTime::MIN);
    let end = NaiveDate::from_ymd_opt(2101, 1, 1)?.and_time(NaiveTime::MIN);
    (first..end).contains(&moment).then_some(moment)
}
