#![doc = include_str!("../README.md")]

mod accounts;
mod app;
mod archive;
mod commit;
mod config;
mod erasure;
mod findings;
mod forwarding;
mod held;
mod http;
mod measures;
mod migrations;
mod partitions;
mod publish;
mod quarantine;
mod replay;
mod retention;
mod spill;
mod taken;
mod vault;

pub use accounts::{ApplyError, apply};
pub use app::App;
pub use config::Config;
pub use migrations::{MIGRATIONS, PROGRAM};
