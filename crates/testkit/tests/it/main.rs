//! The testkit against the real things it starts.

mod nats;
mod otlp;
mod postgres;
mod process;
