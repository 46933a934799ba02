//! messaging-outbox on real Postgres and NATS, with the simulator in LINE's place.

mod conversing;
mod faults;
mod isolation;
mod killing;
mod receiver;
mod sending;
mod watching;
mod world;
