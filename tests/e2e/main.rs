//! Journeys through the whole platform: the real binaries, real Postgres, real NATS, the simulator over real HTTP.

mod command_line;
mod dead_letter;
mod every_rpc;
mod figures;
mod interrupted;
mod isolation;
mod leaving;
mod nats_permissions;
mod story;
mod trace;
