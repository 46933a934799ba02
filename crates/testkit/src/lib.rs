//! What tests stand on: real servers, real processes, and waiting for a state instead of for a while.
//!
//! - [`postgres`] and [`nats`]: the servers every test of a run shares (`make test` starts them), and private ones that a
//!   test may kill and start again;
//! - [`process`]: the project's own binaries as children to watch, stop and kill;
//! - [`otlp`]: a trace collector on loopback that keeps what it is sent;
//! - [`eventually()`]: waits for a state under a deadline, and tells the last thing seen when it was not reached;
//! - [`port`]: free ports;
//! - [`tls`]: TLS for a test's own server.
//!
//! Whatever a test starts here ends with it: when its guard drops, or, if the test program is killed, by the kernel.

mod child;
mod eventually;
pub mod nats;
pub mod otlp;
pub mod port;
pub mod postgres;
pub mod process;
mod scratch;
pub mod tls;

pub use eventually::{NotReached, Outcome, eventually};
