//! The whole platform as real processes on real servers, for the journeys, the fault runs and the benchmarks.
//!
//! [`Platform`] starts the four services as child processes, with Postgres, NATS and the simulator of LINE; what happens
//! on it is told with [`tsunagi::stage`]. [`chaos`] kills it. [`fuzz`] needs none of it: it
//! feeds what reads outside bytes.

pub mod chaos;
mod clocks;
pub mod consumers;
pub mod fuzz;
mod hearing;
mod instances;
mod keys;
mod platform;
mod service;
pub mod stranger;

pub use clocks::Clocks;
pub use hearing::{Heard, Hearing};
pub use platform::{Options, Platform, without_user};
pub use service::{Ports, Service};
