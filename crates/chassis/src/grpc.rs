//! gRPC: the server every service puts its methods on, the client it calls others with, and how it refuses.

mod body;
mod certificate;
mod client;
mod config;
mod listener;
pub mod refuse;
mod server;
mod watch;

pub use certificate::{TlsConfig, TlsError};
pub use client::{Client, ClientConfig, ClientError};
pub use config::GrpcConfig;
pub use server::{Server, ServerError};
