//! Group commit: requests that wait at the same time share one insert, and one fsync.
//!
//! A batch grows by itself with the time the one before it takes: when nothing waits, a body is stored at once; under load,
//! everything that came meanwhile goes together. There is no timer.

mod breaker;
mod flusher;
mod queue;
mod settle;
mod statement;

pub(crate) use breaker::{Breaker, probe};
pub(crate) use flusher::Flusher;
pub(crate) use queue::{Queue, queue};
pub(crate) use settle::{Settled, Store, make_room};
pub(crate) use statement::{reason_name, store, unsealed};
