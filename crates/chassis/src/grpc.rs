//! gRPC: the server every service puts its methods on, the client it calls others with, and how it refuses.

mod authority;
mod body;
mod client;
mod config;
mod listener;
mod open_streams;
pub mod refuse;
mod server;
mod watch;

pub use authority::TlsAuthority;
pub use client::{Client, ClientConfig, ClientError};
pub use config::GrpcConfig;
pub use server::{Server, ServerError};
