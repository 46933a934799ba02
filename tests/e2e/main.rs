//! Journeys through the whole platform: the real binaries, real Postgres, real NATS, the simulator over real HTTP.

mod every_rpc;
mod isolation;
mod leaving;
mod story;
mod trace;
