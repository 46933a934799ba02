//! What the service must be told.

use bus::BusConfig;
use chassis::config::Settings;
use chassis::envelope::MasterKeys;
use chassis::grpc::{ClientConfig, GrpcConfig};
use chassis::postgres::PostgresConfig;
use chassis::seal::PublicKey;

use crate::pages::PagesConfig;

/// The settings of identity-linking.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub postgres: PostgresConfig,
    /// The gRPC listener.
    pub grpc: GrpcConfig,
    /// The form pages.
    pub pages: PagesConfig,
    /// NATS.
    pub bus: BusConfig,
    /// messaging-outbox, through which LINE is asked.
    pub messaging: ClientConfig,
    /// What secrets are encrypted with at rest.
    pub master_keys: MasterKeys,
    /// What channel secrets are sealed to for webhook-ingest.
    pub ingest_seal_key: PublicKey,
    /// What channel secrets and credentials are sealed to for messaging-outbox.
    pub messaging_seal_key: PublicKey,
}

impl Config {
    /// Reads the settings; mistakes are collected there.
    pub fn read(settings: &mut Settings) -> Self {
        Self {
            postgres: PostgresConfig::read(settings, "identity"),
            grpc: GrpcConfig::read(settings, "identity"),
            pages: PagesConfig::read(settings),
            bus: BusConfig::read(settings),
            messaging: ClientConfig::read(settings, "identity", "messaging"),
            master_keys: MasterKeys::read(settings),
            ingest_seal_key: settings.required(
                "TSUNAGI_INGEST_SEAL_PUBLIC_KEY",
                "The public key that channel secrets are sealed to for webhook-ingest.",
            ),
            messaging_seal_key: settings.required(
                "TSUNAGI_MESSAGING_SEAL_PUBLIC_KEY",
                "The public key that channel secrets and credentials are sealed to for messaging-outbox.",
            ),
        }
    }
}
