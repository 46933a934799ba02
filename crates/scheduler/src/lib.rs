//! The scheduler: keeps time for the others.
//!
//! It lives as the other services do, with a schema, a relay, callers it knows and dead letters of its own. Timers, schedules and
//! the rules that make them come with the capabilities that need them; until then it serves its health and its dead letters.

mod app;
mod config;

pub use app::App;
pub use config::Config;

/// The program of this service: its name, its schema and all that its schema needs.
pub const PROGRAM: chassis::Program = chassis::Program {
    name: "scheduler",
    service: "scheduler",
    about: "The right moment: timers, schedules and what follows from them.",
    migrations: &[chassis::PLUMBING, bus::PLUMBING],
};
