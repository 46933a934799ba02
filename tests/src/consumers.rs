//! The consumers of LINE's events as their inboxes name them.

/// The hash of `identity_line_webhook`.
pub const IDENTITY_LINKING: i32 = -1_079_552_700;
/// The hash of `line_webhook`.
pub const MESSAGING_OUTBOX: i32 = 1_922_703_305;
