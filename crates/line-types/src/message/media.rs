//! Messages that are one thing: stickers, pictures, videos, sounds, places, coupons.
//! <https://developers.line.biz/en/reference/messaging-api/#sticker-message> and following.

use super::{
    text::quote_token,
    violation::{MAX_URL, Need, Object, Report, Unit},
};

/// Longest title and address of a place, in UTF-16 code units.
const MAX_PLACE: usize = 100;
/// Longest tracking id of a video.
const MAX_TRACKING_ID: usize = 100;
/// Longest delivery tag of a coupon.
const MAX_DELIVERY_TAG: usize = 30;

pub(super) fn check_sticker(message: &Object<'_>, report: &mut Report) {
    message.text("packageId", Need::Required, usize::MAX, Unit::Utf16, report);
    message.text("stickerId", Need::Required, usize::MAX, Unit::Utf16, report);
    quote_token(message, report);
}

pub(super) fn check_image(message: &Object<'_>, report: &mut Report) {
    message.https("originalContentUrl", Need::Required, MAX_URL, report);
    message.https("previewImageUrl", Need::Required, MAX_URL, report);
}

pub(super) fn check_video(message: &Object<'_>, report: &mut Report) {
    check_image(message, report);
    message.text("trackingId", Need::Optional, MAX_TRACKING_ID, Unit::Utf16, report);
}

pub(super) fn check_audio(message: &Object<'_>, report: &mut Report) {
    message.https("originalContentUrl", Need::Required, MAX_URL, report);
    message.integer("duration", Need::Required, 0..=i64::MAX, report);
}

pub(super) fn check_location(message: &Object<'_>, report: &mut Report) {
    message.text("title", Need::Required, MAX_PLACE, Unit::Utf16, report);
    message.text("address", Need::Required, MAX_PLACE, Unit::Utf16, report);
    message.number("latitude", -90.0..=90.0, report);
    message.number("longitude", -180.0..=180.0, report);
}

pub(super) fn check_coupon(message: &Object<'_>, report: &mut Report) {
    message.text("couponId", Need::Required, usize::MAX, Unit::Utf16, report);
    let tag = message.text("deliveryTag", Need::Optional, MAX_DELIVERY_TAG, Unit::Utf16, report);
    if tag.is_some_and(|tag| !tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
        report.add(message.at("deliveryTag"), "must be letters, digits or underscores");
    }
}
