//! LINE's vocabulary as plain values: what LINE sends to us, what we may send to LINE, and the limits LINE sets.
//!
//! Nothing here reads a clock, a file or a socket. Incoming data is read leniently (LINE adds event types, properties and
//! enumeration values without notice: <https://developers.line.biz/en/docs/messaging-api/development-guidelines/>), outgoing
//! data is checked strictly, with the reasons LINE itself would give.
//!
//! | module | holds |
//! | --- | --- |
//! | [`signature`] | the proof that a webhook body comes from LINE |
//! | [`webhook`] | webhook bodies: a cheap envelope for the hot path, full events for everybody else |
//! | [`message`] | message objects and [`message::check`], LINE's limits on them |
//! | [`rich_menu`] | rich menus: LINE's limits on the object and on its image |
//! | [`length`] | LINE's two ways to count characters |
//! | [`id`] | parsed identifiers |
//! | [`api`] | request and response shapes of LINE's APIs |
//! | [`rate`] | LINE's request rate limits per endpoint |

pub mod api;
pub mod id;
pub mod length;
pub mod message;
mod open_enum;
pub mod rate;
pub mod rich_menu;
pub mod signature;
pub mod webhook;

pub use id::IdError;
