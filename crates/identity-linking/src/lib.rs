#![doc = include_str!("../README.md")]

mod account_check;
mod app;
pub mod bootstrap;
mod change;
mod config;
mod consumer;
mod expiry;
mod friend_coverage;
mod gateway;
mod grpc;
mod linking;
mod migrations;
mod pages;
mod postgres;
mod profiles;
mod provider_evidence;
mod registry;
mod replica;
mod right;
mod staff_notice;
mod staffing;
mod vault;

pub use app::App;
pub use config::Config;
pub use migrations::MIGRATIONS;
pub use pages::PagesConfig;

/// The program of this service: its name, its schema and all that its schema needs.
pub const PROGRAM: chassis::Program = chassis::Program {
    name: "identity-linking",
    service: "identity",
    about: "Who is there: tenants, staff, programs, official accounts, LINE users, customers.",
    migrations: &[chassis::PLUMBING, bus::PLUMBING, MIGRATIONS],
};
