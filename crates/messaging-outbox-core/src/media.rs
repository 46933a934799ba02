//! What becomes of a content that is to be fetched, and what its bytes are.

use std::time::Duration;

/// How long a large video may take LINE to prepare, and how long fetching is tried at all.
const GIVE_UP_AFTER: Duration = Duration::from_hours(48);

/// Where a content stands. The codes are those of `tsunagi.messaging.v1.ContentState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentState {
    /// To be fetched from LINE.
    Pending,
    /// Fetched and kept.
    Stored,
    /// Lies outside LINE; never fetched.
    External,
    /// LINE has it no more, or it was unsent.
    Gone,
    /// Could not be fetched, or is too large.
    Failed,
}

impl ContentState {
    /// The state's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Pending => 1,
            Self::Stored => 2,
            Self::External => 3,
            Self::Gone => 4,
            Self::Failed => 5,
        }
    }

    /// The state of that number.
    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::Pending),
            2 => Some(Self::Stored),
            3 => Some(Self::External),
            4 => Some(Self::Gone),
            5 => Some(Self::Failed),
            _ => None,
        }
    }
}

/// What one try at fetching came to
/// (<https://developers.line.biz/en/reference/messaging-api/#get-content>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// All bytes are there.
    Whole,
    /// LINE still prepares it (202).
    Preparing,
    /// LINE has it no more (404, 410).
    Gone,
    /// More bytes than are kept.
    TooLarge,
    /// Anything that may pass.
    Trouble,
}

/// What follows from a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFetch {
    /// The content's state for good.
    Settled(ContentState),
    /// Again after this time.
    Again(Duration),
}

/// Decides what follows from the `attempts`th try (1 or more), `age` after the message came. `jitter`: 0 to 1.
#[must_use]
pub fn after_fetch(fetched: Fetched, attempts: u16, age: Duration, jitter: f64) -> AfterFetch {
    match fetched {
        Fetched::Whole => AfterFetch::Settled(ContentState::Stored),
        Fetched::Gone => AfterFetch::Settled(ContentState::Gone),
        Fetched::TooLarge => AfterFetch::Settled(ContentState::Failed),
        Fetched::Preparing | Fetched::Trouble if age >= GIVE_UP_AFTER => AfterFetch::Settled(ContentState::Failed),
        Fetched::Preparing | Fetched::Trouble => {
            AfterFetch::Again(crate::backoff::delay(attempts.saturating_add(1), jitter))
        }
    }
}

/// The MIME type told by the first bytes; `application/octet-stream` where they tell none. What the sender's device or LINE
/// calls it is not believed.
#[must_use]
pub fn sniff(head: &[u8]) -> &'static str {
    let brand =
        |brands: &[&[u8]]| head.get(4..8) == Some(b"ftyp") && head.get(8..12).is_some_and(|b| brands.contains(&b));
    match head {
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => "image/png",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "audio/wav",
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [b'P', b'K', 3, 4, ..] => "application/zip",
        [b'I', b'D', b'3', ..] | [0xFF, 0xFB | 0xF3 | 0xF2, ..] => "audio/mpeg",
        [b'O', b'g', b'g', b'S', ..] => "audio/ogg",
        _ if brand(&[b"M4A ", b"M4B "]) => "audio/mp4",
        _ if brand(&[b"qt  "]) => "video/quicktime",
        _ if brand(&[b"heic", b"heix", b"mif1"]) => "image/heic",
        _ if head.get(4..8) == Some(b"ftyp") => "video/mp4",
        [0xFF, 0xF1 | 0xF9, ..] => "audio/aac",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_say_what_they_are() {
        for (head, expected) in [
            (&b"\xFF\xD8\xFF\xE0"[..], "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\0\0\0\x20ftypM4A \0\0", "audio/mp4"),
            (b"\0\0\0\x20ftypisom\0\0", "video/mp4"),
            (b"<html><script>", "application/octet-stream"),
            (b"", "application/octet-stream"),
        ] {
            assert_eq!(sniff(head), expected);
        }
    }

    #[test]
    fn fetching_ends() {
        let long = Duration::from_hours(49);
        assert_eq!(after_fetch(Fetched::Preparing, 9, long, 0.5), AfterFetch::Settled(ContentState::Failed));
        assert!(matches!(after_fetch(Fetched::Preparing, 1, Duration::ZERO, 0.5), AfterFetch::Again(_)));
        assert_eq!(after_fetch(Fetched::Gone, 1, Duration::ZERO, 0.5), AfterFetch::Settled(ContentState::Gone));
        assert_eq!(after_fetch(Fetched::Whole, 1, long, 0.5), AfterFetch::Settled(ContentState::Stored));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_sniffing(head in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(sniff(&head).contains('/'));
        }
    }
}
