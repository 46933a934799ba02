//! The one check of message objects, used before a send is frozen and by the simulator.

use serde_json::Value;

use super::{
    flex, imagemap, media,
    object::KNOWN_TYPES,
    quick_reply, template, text,
    violation::{Need, Object, Report, Violation},
};

/// Most message objects in one request.
const MAX_MESSAGES: usize = 5;

/// Tells why LINE would refuse these message objects; empty if it would take them. At most 50 reasons.
pub fn check(messages: &[Value]) -> Vec<Violation> {
    let mut report = Report::default();
    if !(1..=MAX_MESSAGES).contains(&messages.len()) {
        report.add("messages", format!("Size must be between 1 and {MAX_MESSAGES}"));
    }
    for (i, message) in messages.iter().take(MAX_MESSAGES).enumerate() {
        if let Some(message) = Object::of(message, format!("messages[{i}]"), &mut report) {
            one(&message, &mut report);
        }
    }
    report.into_violations()
}

fn one(message: &Object<'_>, report: &mut Report) {
    match message.one_of("type", Need::Required, KNOWN_TYPES, report) {
        Some("text") => text::check(message, report),
        Some("textV2") => text::check_v2(message, report),
        Some("sticker") => media::check_sticker(message, report),
        Some("image") => media::check_image(message, report),
        Some("video") => media::check_video(message, report),
        Some("audio") => media::check_audio(message, report),
        Some("location") => media::check_location(message, report),
        Some("coupon") => media::check_coupon(message, report),
        Some("imagemap") => imagemap::check(message, report),
        Some("template") => template::check(message, report),
        Some("flex") => flex::check(message, report),
        _ => return,
    }
    quick_reply::check(message, report);
    quick_reply::check_sender(message, report);
}
