//! The simulator from outside: every documented behaviour over real HTTP.

mod receiver;
mod reply;
mod stage;
