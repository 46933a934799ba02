//! Flex messages, the components: <https://developers.line.biz/en/reference/messaging-api/#flex-message>.

use serde_json::Value;

use super::{
    action::{self, Place},
    violation::{MAX_URL, Need, Object, Report, Unit},
};

/// Deepest nesting of boxes that is read; far above what a screen can show.
const MAX_NESTING: usize = 32;

/// Where a component stands; decides which components are allowed.
#[derive(Clone, Copy)]
pub(super) enum Within {
    /// Directly in header, body or footer.
    Block,
    /// Directly in the hero block; whether a video may stand there.
    Hero { video: bool },
    /// In a horizontal or vertical box.
    Box,
    /// In a baseline box.
    Baseline,
    /// In place of a video that cannot be played.
    VideoAlternative,
}

impl Within {
    fn types(self) -> &'static [&'static str] {
        match self {
            Self::Block => &["box"],
            Self::Hero { video: true } => &["box", "image", "video"],
            Self::Hero { video: false } | Self::VideoAlternative => &["box", "image"],
            Self::Box => &["box", "button", "image", "text", "separator", "filler"],
            Self::Baseline => &["icon", "text", "filler"],
        }
    }
}

pub(super) fn check(component: &Object<'_>, within: Within, nesting: usize, animated: &mut usize, report: &mut Report) {
    if nesting > MAX_NESTING {
        report.add(&*component.path, "is nested too deeply");
        return;
    }
    let kind = component.one_of("type", Need::Required, within.types(), report);
    check_position(component, report);
    if kind != Some("button")
        && let Some(action) = component.object("action", Need::Optional, report)
    {
        action::check(&action, Place::Flex, report);
    }
    match kind {
        Some("box") => check_box(component, nesting, animated, report),
        Some("button") => check_button(component, report),
        Some("image") => check_image(component, animated, report),
        Some("icon") => component.https("url", Need::Required, MAX_URL, report),
        Some("video") => {
            component.https("url", Need::Required, MAX_URL, report);
            component.https("previewUrl", Need::Required, MAX_URL, report);
            if let Some(alternative) = component.object("altContent", Need::Required, report) {
                check(&alternative, Within::VideoAlternative, nesting + 1, animated, report);
            }
        }
        Some("text") => check_text(component, report),
        Some("separator") => component.color("color", true, report),
        _ => {}
    }
}

fn check_box(component: &Object<'_>, nesting: usize, animated: &mut usize, report: &mut Report) {
    let layout = component.one_of("layout", Need::Required, &["horizontal", "vertical", "baseline"], report);
    let within = if layout == Some("baseline") { Within::Baseline } else { Within::Box };
    component.color("backgroundColor", true, report);
    component.color("borderColor", true, report);
    let distribution = ["center", "flex-start", "flex-end", "space-between", "space-around", "space-evenly"];
    component.one_of("justifyContent", Need::Optional, &distribution, report);
    component.one_of("alignItems", Need::Optional, &["center", "flex-start", "flex-end"], report);
    if let Some(background) = component.object("background", Need::Optional, report) {
        background.one_of("type", Need::Required, &["linearGradient"], report);
        for name in ["startColor", "endColor", "centerColor"] {
            background.color(name, true, report);
        }
    }
    let contents = component.objects("contents", Need::Required, 0..=usize::MAX, report);
    for child in contents.into_iter().flatten() {
        check(&child, within, nesting + 1, animated, report);
    }
}

fn check_button(component: &Object<'_>, report: &mut Report) {
    component.one_of("style", Need::Optional, &["primary", "secondary", "link"], report);
    component.one_of("height", Need::Optional, &["sm", "md"], report);
    component.color("color", true, report);
    if let Some(action) = component.object("action", Need::Required, report) {
        action::check(&action, Place::FlexButton, report);
    }
}

fn check_image(component: &Object<'_>, animated: &mut usize, report: &mut Report) {
    component.https("url", Need::Required, MAX_URL, report);
    component.one_of("aspectMode", Need::Optional, &["cover", "fit"], report);
    component.color("backgroundColor", true, report);
    if component.get("animated").and_then(Value::as_bool) == Some(true) {
        *animated += 1;
    }
}

fn check_text(component: &Object<'_>, report: &mut Report) {
    match (component.has("text"), component.has("contents")) {
        (false, false) => report.add(&*component.path, "either text or contents must be specified"),
        (true, true) => report.add(&*component.path, "text and contents may not be specified together"),
        _ => {}
    }
    if component.has("text") {
        non_empty_text(component, report);
    }
    check_font(component, report);
    component.integer("maxLines", Need::Optional, 0..=i64::from(i32::MAX), report);
    let spans = component.objects("contents", Need::Optional, 1..=usize::MAX, report);
    for span in spans.into_iter().flatten() {
        span.one_of("type", Need::Required, &["span"], report);
        non_empty_text(&span, report);
        check_font(&span, report);
    }
}

/// Flex texts have no documented length; an empty one is refused.
fn non_empty_text(component: &Object<'_>, report: &mut Report) {
    if component.text("text", Need::Optional, usize::MAX, Unit::Utf16, report) == Some("") {
        report.add(component.at("text"), "must be non-empty text");
    }
}

fn check_font(component: &Object<'_>, report: &mut Report) {
    component.color("color", true, report);
    component.one_of("weight", Need::Optional, &["regular", "bold"], report);
    component.one_of("style", Need::Optional, &["normal", "italic"], report);
    component.one_of("decoration", Need::Optional, &["none", "underline", "line-through"], report);
}

fn check_position(component: &Object<'_>, report: &mut Report) {
    component.one_of("position", Need::Optional, &["relative", "absolute"], report);
    component.one_of("align", Need::Optional, &["start", "end", "center"], report);
    component.one_of("gravity", Need::Optional, &["top", "bottom", "center"], report);
    component.integer("flex", Need::Optional, 0..=i64::from(i32::MAX), report);
}
