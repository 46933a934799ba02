//! LINE's limits on the image of a rich menu:
//! <https://developers.line.biz/en/reference/messaging-api/#upload-rich-menu-image-requirements>.

use super::check::{MIN_HEIGHT, WIDTHS, is_too_tall};
use crate::api::RichMenuSize;

/// Largest image.
pub const MAX_IMAGE_BYTES: usize = 1024 * 1024;

/// The two kinds of image LINE takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
}

impl ImageKind {
    /// The kind's media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Why LINE would refuse an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageFault {
    /// More than 1 MB.
    #[error("the image is larger than 1 MB")]
    TooLarge,
    /// Neither a JPEG nor a PNG image, or its head is broken.
    #[error("not a JPEG or PNG image")]
    Unreadable,
    /// Narrower than 800 or wider than 2,500 pixels, lower than 250, or too tall for its width.
    #[error("the image has a size no rich menu may have")]
    Dimensions,
    /// Not the size of its menu.
    #[error("the image has another size than its rich menu")]
    OtherSize,
}

/// Tells whether LINE would take an image for a menu of this size, and of which kind it is.
pub fn check_image(bytes: &[u8], size: RichMenuSize) -> Result<ImageKind, ImageFault> {
    if bytes.len() > MAX_IMAGE_BYTES {
        return Err(ImageFault::TooLarge);
    }
    let (kind, found) = read(bytes).ok_or(ImageFault::Unreadable)?;
    let (width, height) = (i64::from(found.width), i64::from(found.height));
    if !WIDTHS.contains(&width) || height < MIN_HEIGHT || is_too_tall(width, height) {
        return Err(ImageFault::Dimensions);
    }
    if found == size { Ok(kind) } else { Err(ImageFault::OtherSize) }
}

/// Kind and size from the head of an image; none if it is neither JPEG nor PNG.
fn read(bytes: &[u8]) -> Option<(ImageKind, RichMenuSize)> {
    png(bytes).map(|size| (ImageKind::Png, size)).or_else(|| jpeg(bytes).map(|size| (ImageKind::Jpeg, size)))
}

/// PNG, section 11.2.1: the first chunk is IHDR and begins with width and height.
fn png(bytes: &[u8]) -> Option<RichMenuSize> {
    let head = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?.strip_prefix(b"\0\0\0\x0dIHDR")?;
    let number = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    Some(RichMenuSize { width: number(0)?, height: number(4)? })
}

/// JPEG (ITU T.81, annex B): the size stands in the frame header, SOF0 to SOF15 without the three markers between them that
/// mean something else.
fn jpeg(bytes: &[u8]) -> Option<RichMenuSize> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let [0xff, marker, high, low, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        match marker {
            0xff => rest = &rest[1..],
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let [_, h1, h2, w1, w2, ..] = *rest.get(4..)? else { return None };
                let pair = |high, low| u32::from(u16::from_be_bytes([high, low]));
                return Some(RichMenuSize { width: pair(w1, w2), height: pair(h1, h2) });
            }
            // Markers without a segment do not stand before the frame header; a segment's length counts its own two bytes.
            _ if length < 2 => return None,
            _ => rest = rest.get(2 + length..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()].concat()
    }

    fn jpeg_of(width: u16, height: u16, before: &[u8]) -> Vec<u8> {
        let frame = [b"\xff\xc2\x00\x0b\x08".as_slice(), &height.to_be_bytes(), &width.to_be_bytes()].concat();
        [b"\xff\xd8\xff\xe0\x00\x06JFIF".as_slice(), before, &frame].concat()
    }

    fn size(width: u32, height: u32) -> RichMenuSize {
        RichMenuSize { width, height }
    }

    #[test]
    fn each_limit_of_an_image_has_its_reason() {
        let table = [
            (png_of(800, 250), size(800, 250), Ok(ImageKind::Png)),
            (png_of(2_500, 1_686), size(2_500, 1_686), Ok(ImageKind::Png)),
            (jpeg_of(2_500, 843, b""), size(2_500, 843), Ok(ImageKind::Jpeg)),
            // A thumbnail's tables and a fill byte come before the frame.
            (jpeg_of(2_500, 843, b"\xff\xc4\x00\x03A\xff"), size(2_500, 843), Ok(ImageKind::Jpeg)),
            (png_of(799, 250), size(799, 250), Err(ImageFault::Dimensions)),
            (png_of(2_501, 843), size(2_501, 843), Err(ImageFault::Dimensions)),
            (png_of(800, 249), size(800, 249), Err(ImageFault::Dimensions)),
            (png_of(1_449, 1_000), size(1_449, 1_000), Err(ImageFault::Dimensions)),
            (png_of(1_450, 1_000), size(1_450, 1_000), Ok(ImageKind::Png)),
            (png_of(800, 250), size(2_500, 843), Err(ImageFault::OtherSize)),
            (b"GIF89a".to_vec(), size(800, 250), Err(ImageFault::Unreadable)),
            (b"\xff\xd8\xff\xe0\x00\x00".to_vec(), size(800, 250), Err(ImageFault::Unreadable)),
        ];
        for (bytes, size, expected) in table {
            assert_eq!(check_image(&bytes, size), expected, "{size:?}");
        }
        let mut large = png_of(800, 250);
        large.resize(MAX_IMAGE_BYTES, 0);
        assert_eq!(check_image(&large, size(800, 250)), Ok(ImageKind::Png));
        large.push(0);
        assert_eq!(check_image(&large, size(800, 250)), Err(ImageFault::TooLarge));
    }

    proptest! {
        /// Whatever is uploaded is judged, and what is taken has the size of its menu.
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..64), jpeg: bool) {
            let bytes = if jpeg { [b"\xff\xd8".as_slice(), &bytes].concat() } else { bytes };
            prop_assert!(check_image(&bytes, size(1_200, 405)).is_err() || read(&bytes).unwrap().1 == size(1_200, 405));
        }

        /// An image that is taken has a size that a menu may have.
        #[test]
        fn what_is_taken_is_a_size_of_a_menu(width in 700..2_600u32, height in 200..1_900u32) {
            let menu = serde_json::json!({"size": {"width": width, "height": height}, "selected": true, "name": "n",
                "chatBarText": "c", "areas": []});
            let taken = check_image(&png_of(width, height), size(width, height)).is_ok();
            prop_assert_eq!(taken, super::super::check(&menu).is_empty());
        }
    }
}
