//! `ReplayService`, and the work behind it: events of the archive are published once more (L-15, R-5).
//!
//! A replay is a row. Any replica takes a portion of it under a lease ([`runner`]), publishes what the core's rule says, and writes
//! down how far it came; whoever finds a lease over goes on from there. Publishing a portion twice does no harm: the stream takes an
//! event once for each replay, and consumers know what they handled.

mod archive;
mod consumers;
mod row;
mod runner;
mod service;
mod table;

pub(crate) use consumers::Consumers;
pub(crate) use runner::Runner;
pub(crate) use service::Replays;
