//! What the service must be told.

use std::num::NonZeroUsize;

use bus::BusConfig;
use chassis::config::Settings;
use chassis::grpc::{ClientConfig, GrpcConfig};
use chassis::postgres::PostgresConfig;

const FIRERS: NonZeroUsize = NonZeroUsize::new(2).unwrap();

/// The settings of the scheduler.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub postgres: PostgresConfig,
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// NATS.
    pub bus: BusConfig,
    /// identity-linking, whose callers and staff are known here too; none: by its events alone.
    pub identity: Option<ClientConfig>,
    /// Transactions at once that say timers.
    pub firers: NonZeroUsize,
}

impl Config {
    /// Reads the settings; mistakes are collected there.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            postgres: PostgresConfig::read(settings, "scheduler"),
            grpc: GrpcConfig::read(settings, "scheduler"),
            bus: BusConfig::read(settings),
            identity: Some(ClientConfig::read(settings, "scheduler", "identity")),
            firers: settings.or(
                "TSUNAGI_SCHEDULER_FIRERS",
                FIRERS,
                "Database transactions at once that say timers whose moment has come.",
            ),
        }
    }
}
