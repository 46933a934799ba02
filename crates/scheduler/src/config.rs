//! What the service must be told.

use bus::BusConfig;
use chassis::config::Settings;
use chassis::grpc::{ClientConfig, GrpcConfig};
use chassis::postgres::PostgresConfig;

/// The settings of the scheduler.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub postgres: PostgresConfig,
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// NATS.
    pub bus: BusConfig,
    /// identity-linking, whose callers and staff are known here too.
    pub identity: ClientConfig,
}

impl Config {
    /// Reads the settings; mistakes are collected there.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            postgres: PostgresConfig::read(settings, "scheduler"),
            grpc: GrpcConfig::read(settings, "scheduler"),
            bus: BusConfig::read(settings),
            identity: ClientConfig::read(settings, "scheduler", "identity"),
        }
    }
}
