//! Flex messages, the containers: <https://developers.line.biz/en/reference/messaging-api/#flex-message>.

use std::io;

use serde_json::Value;

use super::{
    action::{self, Place},
    flex_component::{self, Within},
    violation::{Need, Object, Report},
};

/// Largest JSON of one bubble, in bytes.
pub const MAX_BUBBLE_BYTES: usize = 30 * 1024;
/// Largest JSON of one carousel, in bytes.
pub const MAX_CAROUSEL_BYTES: usize = 50 * 1024;
/// Most bubbles of a carousel.
const MAX_BUBBLES: usize = 12;
/// Most animated pictures of one message.
const MAX_ANIMATED: usize = 10;

const SIZES: &[&str] = &["nano", "micro", "deca", "hecto", "kilo", "mega", "giga"];
const BLOCKS: [&str; 4] = ["header", "hero", "body", "footer"];

pub(super) fn check(message: &Object<'_>, report: &mut Report) {
    super::object::check_alt_text(message, report);
    let Some(container) = message.object("contents", Need::Required, report) else { return };
    let mut animated = 0;
    match container.one_of("type", Need::Required, &["bubble", "carousel"], report) {
        Some("bubble") => check_bubble(&container, false, &mut animated, report),
        Some("carousel") => check_carousel(&container, &mut animated, report),
        _ => {}
    }
    if animated > MAX_ANIMATED {
        report.add(&*container.path, format!("may hold at most {MAX_ANIMATED} animated images"));
    }
}

fn check_carousel(carousel: &Object<'_>, animated: &mut usize, report: &mut Report) {
    check_bytes(carousel, MAX_CAROUSEL_BYTES, report);
    let Some(bubbles) = carousel.objects("contents", Need::Required, 1..=MAX_BUBBLES, report) else { return };
    for bubble in &bubbles {
        bubble.one_of("type", Need::Required, &["bubble"], report);
        check_bubble(bubble, true, animated, report);
    }
    let size = |bubble: &Object<'_>| bubble.get("size").and_then(Value::as_str).unwrap_or("mega").to_owned();
    if bubbles.windows(2).any(|pair| size(&pair[0]) != size(&pair[1])) {
        report.add(carousel.at("contents"), "must have the same size in all bubbles");
    }
}

fn check_bubble(bubble: &Object<'_>, in_carousel: bool, animated: &mut usize, report: &mut Report) {
    check_bytes(bubble, MAX_BUBBLE_BYTES, report);
    let size = bubble.one_of("size", Need::Optional, SIZES, report).unwrap_or("mega");
    bubble.one_of("direction", Need::Optional, &["ltr", "rtl"], report);
    if !BLOCKS.iter().any(|block| bubble.has(block)) {
        report.add(&*bubble.path, "at least one block must be specified");
    }
    let video = !in_carousel && matches!(size, "kilo" | "mega" | "giga");
    for name in BLOCKS {
        if let Some(block) = bubble.object(name, Need::Optional, report) {
            let within = if name == "hero" { Within::Hero { video } } else { Within::Block };
            flex_component::check(&block, within, 0, animated, report);
        }
    }
    if let Some(action) = bubble.object("action", Need::Optional, report) {
        action::check(&action, Place::Flex, report);
    }
    if let Some(styles) = bubble.object("styles", Need::Optional, report) {
        for name in BLOCKS {
            if let Some(style) = styles.object(name, Need::Optional, report) {
                style.color("backgroundColor", true, report);
                style.color("separatorColor", true, report);
            }
        }
    }
}

fn check_bytes(container: &Object<'_>, max: usize, report: &mut Report) {
    let mut counted = Counter(0);
    let written = serde_json::to_writer(&mut counted, container.fields);
    if written.is_err() || counted.0 > max {
        report.add(&*container.path, format!("may not exceed {} KB", max / 1024));
    }
}

/// Counts what is written and keeps nothing.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
