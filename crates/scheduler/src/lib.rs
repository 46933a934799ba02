#![doc = include_str!("../README.md")]

mod app;
mod config;
mod desk;
mod digest;
mod figures;
mod firer;
mod grpc;
mod migrations;
mod postgres;
mod reminder;
mod replanning;
mod replica;
mod retention;
mod scheduled_message;
mod wake;

pub use app::App;
pub use config::Config;
pub use migrations::MIGRATIONS;

/// The program of this service: its name, its schema and all that its schema needs.
pub const PROGRAM: chassis::Program = chassis::Program {
    name: "scheduler",
    service: "scheduler",
    about: "The right moment: timers, schedules and what follows from them.",
    migrations: &[chassis::PLUMBING, bus::PLUMBING, MIGRATIONS],
};
