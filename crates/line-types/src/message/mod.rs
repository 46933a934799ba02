//! Message objects we send, and LINE's limits on them.
//!
//! [`Message`] and its parts build message objects with the right names and shapes. [`check`] tells whether LINE would take
//! a list of message objects, whoever built them. It follows
//! <https://developers.line.biz/en/reference/messaging-api/#message-objects>; what only LINE can know (whether a sticker
//! exists, an address answers, a mentioned user is a member) it leaves to LINE.

pub(crate) mod action;
mod check;
mod flex;
mod flex_component;
mod imagemap;
mod media;
mod object;
mod quick_reply;
mod template;
mod text;
pub(crate) mod violation;

pub use action::{Action, DatetimeMode, InputOption};
pub use check::check;
pub use flex::{MAX_BUBBLE_BYTES, MAX_CAROUSEL_BYTES};
pub use imagemap::{Area, BaseSize, ExternalLink, ImagemapAction, ImagemapVideo};
pub use object::{KNOWN_TYPES, Message, MessageBody};
pub use quick_reply::{QuickReply, QuickReplyItem, Sender};
pub use template::{Column, ImageColumn, Template};
pub use text::{EmojiPlace, Mentionee, Substitution};
pub use violation::Violation;
