//! Webhook bodies: <https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects>.
//!
//! Two levels. [`Envelope`] borrows from the raw body and tells only what receiving needs; [`Event`] is one event in full.
//! Both are lenient: an unknown event type, property or enumeration value is kept as it came, a missing `userId` is
//! ordinary, and one broken event never spoils its neighbours. `Debug` of anything with a person's words or identifiers
//! in it shows no content.

mod content;
mod depth;
mod envelope;
mod event;
mod lenient;
mod number;
mod payload;
mod source;
mod surrogate;

pub use content::{
    Content, ContentProvider, Emoji, ImageSet, Media, Mention, MentioneeKind, MessageContent, Sticker,
    StickerResourceType, Text,
};
pub use depth::MAX_DEPTH;
pub use envelope::{Envelope, EnvelopeError, EventFacts, EventFault, EventSlice, MAX_EVENTS, SourceFacts};
pub use event::{Event, EventError, EventKind, Mode};
pub use payload::{
    AccountLink, Beacon, BeaconKind, LinkResult, Membership, MembershipKind, Module, ModuleKind, Postback,
};
pub use source::{Source, SourceKind};

/// Implements `Debug` that names the type and shows nothing of its content.
macro_rules! hides_content {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )+};
}

use hides_content;
