#![doc = include_str!("../README.md")]

mod accounts;
mod app;
mod archive;
mod commit;
mod config;
mod findings;
mod http;
mod measures;
mod migrations;
mod partitions;
mod publish;
mod spill;
mod taken;

pub use accounts::{ApplyError, apply};
pub use app::App;
pub use config::Config;
pub use migrations::{MIGRATIONS, PROGRAM};
