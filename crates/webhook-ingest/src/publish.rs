//! Publication: every event nobody had seen before goes to `line.webhook.v1.{tenant}.{account}.{type}`.
//!
//! The replica that committed a body publishes its events at once, without reading anything ([`live`]). The row that the
//! commit left behind is deleted with a later commit. Whatever row is still there when its lease is over, because the
//! process or NATS went away, any replica publishes from the archive ([`backlog`]). When the stream is not the one it was,
//! the archive's last seven days get such rows again, and its last minutes when the server of the stream was started anew
//! ([`again`]). Consumers know what they handled, so once more is never wrong.

mod again;
mod backlog;
mod event;
mod live;
mod marks;
mod send;

use std::time::Duration;

pub(crate) use again::{Again, Highest};
pub(crate) use backlog::Backlog;
pub(crate) use event::outbound;
pub(crate) use live::{Hand, Live, hand};
pub(crate) use marks::{Done, Marks, delete};
pub(crate) use send::Sender;

/// For how long the replica that committed a body is trusted to publish it.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
