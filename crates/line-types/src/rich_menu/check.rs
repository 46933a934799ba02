//! The one check of rich menu objects, used before a menu is made and by the simulator.

use serde_json::Value;

use crate::message::{
    Violation,
    action::{self, Place},
    violation::{Need, Object, Report, Unit},
};

/// Most menus an official account may have by the API.
pub const MOST_MENUS: usize = 1_000;
/// Most users in one request that links or unlinks several.
pub const MOST_USERS: usize = 500;

/// Longest name, in graphemes.
const MAX_NAME: usize = 300;
/// Longest text of the bar at the foot of the chat, in graphemes.
const MAX_CHAT_BAR: usize = 14;
/// Most places to tap.
const MAX_AREAS: usize = 20;
/// Widths a menu may have, in pixels.
pub(super) const WIDTHS: std::ops::RangeInclusive<i64> = 800..=2_500;
/// Least height, in pixels.
pub(super) const MIN_HEIGHT: i64 = 250;

/// Tells why LINE would refuse this rich menu object; empty if it would take it. At most 50 reasons.
pub fn check(menu: &Value) -> Vec<Violation> {
    let mut report = Report::saying("must be specified");
    if let Some(menu) = Object::of(menu, String::new(), &mut report) {
        if let Some(size) = menu.object("size", Need::Required, &mut report) {
            check_size(&size, &mut report);
        }
        menu.boolean("selected", Need::Required, &mut report);
        menu.text("name", Need::Required, MAX_NAME, Unit::Graphemes, &mut report);
        menu.text("chatBarText", Need::Required, MAX_CHAT_BAR, Unit::Graphemes, &mut report);
        for area in menu.objects("areas", Need::Required, 0..=MAX_AREAS, &mut report).into_iter().flatten() {
            check_area(&area, &mut report);
        }
    }
    report.into_violations()
}

fn check_size(size: &Object<'_>, report: &mut Report) {
    let width = size.integer("width", Need::Required, WIDTHS, report);
    let height = size.integer("height", Need::Required, MIN_HEIGHT..=i64::from(i32::MAX), report);
    if width.zip(height).is_some_and(|(width, height)| is_too_tall(width, height)) {
        report.add(&*size.path, "the aspect ratio (width / height) must be at least 1.45");
    }
}

/// Whether the width is less than 1.45 times the height.
pub(super) fn is_too_tall(width: i64, height: i64) -> bool {
    i128::from(width) * 100 < i128::from(height) * 145
}

fn check_area(area: &Object<'_>, report: &mut Report) {
    if let Some(bounds) = area.object("bounds", Need::Required, report) {
        for (name, least) in [("x", 0), ("y", 0), ("width", 1), ("height", 1)] {
            bounds.integer(name, Need::Required, least..=i64::from(i32::MAX), report);
        }
    }
    if let Some(action) = area.object("action", Need::Required, report) {
        action::check(&action, Place::RichMenu, report);
    }
}
