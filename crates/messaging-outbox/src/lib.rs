#![doc = include_str!("../README.md")]

mod access_token;
mod app;
mod bar;
mod change;
mod config;
mod content;
mod database_clock;
mod digest;
mod figures;
mod group_name;
mod grpc;
mod inbound;
mod linking;
mod migrations;
mod notice;
mod placing;
mod postgres;
mod reminding;
mod replica;
mod retention;
mod scheduled;
mod sender;
mod trouble;
mod wake;
mod watch;

pub use app::App;
pub use config::Config;
pub use content::ContentConfig;
pub use migrations::MIGRATIONS;
pub use notice::{MailConfig, MailError, MailTls};
pub use sender::SenderConfig;

/// What the program is called and what it owns.
pub const PROGRAM: chassis::Program = chassis::Program {
    name: "messaging-outbox",
    service: "messaging",
    about: "Conversations with LINE users, and everything that is sent to them.",
    migrations: &[chassis::PLUMBING, bus::PLUMBING, MIGRATIONS],
};
