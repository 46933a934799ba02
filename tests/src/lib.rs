//! The whole platform as real processes on real servers, for the journeys, the fault runs and the benchmarks.
//!
//! [`Platform`] starts the four services as child processes, with Postgres, NATS and the simulator of LINE; what happens
//! on it is told with [`tsunagi::stage`]. [`chaos`] kills it.

pub mod chaos;
mod clocks;
mod hearing;
mod instances;
mod keys;
mod platform;
mod service;

pub use clocks::Clocks;
pub use hearing::{Heard, Hearing};
pub use platform::{Options, Platform, without_user};
pub use service::{Ports, Service};
