//! The settings of webhook-ingest.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bus::BusConfig;
use chassis::config::Settings;
use chassis::grpc::{ClientConfig, GrpcConfig};
use chassis::postgres::PostgresConfig;
use chassis::seal::PrivateKey;

/// KiB of bodies in memory at once where nobody says otherwise.
const MEMORY_KIB: NonZeroU32 = NonZeroU32::new(65_536).unwrap();
/// Connections at once where nobody says otherwise.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// How webhook-ingest runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where webhooks are received. Plain HTTP: an ingress in front of it speaks TLS with LINE.
    pub http_addr: SocketAddr,
    /// Where `ArchiveService` is served.
    pub grpc: GrpcConfig,
    /// The archive.
    pub postgres: PostgresConfig,
    /// The bus.
    pub bus: BusConfig,
    /// Where accounts are fetched from when the replica is empty; none: they come by events alone.
    pub identity: Option<ClientConfig>,
    /// Opens the channel secrets that are sealed to this service.
    pub seal_key: PrivateKey,
    /// Most bytes of a webhook body: 1 KiB to 4 MiB.
    pub body_limit: usize,
    /// Most KiB of bodies in memory at once.
    pub memory_kib: NonZeroU32,
    /// Most connections at once.
    pub connections: NonZeroU32,
    /// How long a body may take to arrive.
    pub read_timeout: Duration,
    /// How long a connection may lie idle, or take for a request's head.
    pub idle_timeout: Duration,
    /// Commits under way at once.
    pub flushers: usize,
    /// For how many days, by its own time, an event is recognised when it is repeated.
    pub seen_days: u16,
    /// For how many days bodies are kept.
    pub body_days: u16,
}

impl Config {
    /// Reads the settings.
    pub fn read(settings: &mut Settings) -> Self {
        let http_addr =
            settings.required("TSUNAGI_INGEST_HTTP_ADDR", "Where LINE's webhooks are received (HTTP/1.1 and HTTP/2).");
        let seal_key = settings.required(
            "TSUNAGI_INGEST_SEAL_KEY",
            "The private key of which TSUNAGI_INGEST_SEAL_PUBLIC_KEY is the public half.",
        );
        let kib: usize =
            settings.or("TSUNAGI_INGEST_BODY_KIB", 1_024, "The largest webhook body that is taken, in KiB.");
        if !(1..=4_096).contains(&kib) {
            settings.mistake("TSUNAGI_INGEST_BODY_KIB", "must lie between 1 and 4096");
        }
        let seen_days = settings.or(
            "TSUNAGI_INGEST_SEEN_DAYS",
            90,
            "For how many days a repeated event is recognised; the bodies of older ones are quarantined.",
        );
        let body_days = settings.or("TSUNAGI_INGEST_BODY_DAYS", 90, "For how many days the bodies LINE sent are kept.");
        if !(7..=3_650).contains(&seen_days) {
            settings.mistake("TSUNAGI_INGEST_SEEN_DAYS", "must lie between 7 and 3650");
        }
        if !(8..=3_650).contains(&body_days) {
            settings.mistake(
                "TSUNAGI_INGEST_BODY_DAYS",
                "must lie between 8 and 3650: a lost stream is filled from seven days",
            );
        }
        let flushers =
            settings.or("TSUNAGI_INGEST_FLUSHERS", 2, "Commits under way at once; more make each of them smaller.");
        if !(1..=16).contains(&flushers) {
            settings.mistake("TSUNAGI_INGEST_FLUSHERS", "must lie between 1 and 16");
        }
        let seconds = |seconds: u64| Duration::from_secs(seconds);
        Self {
            http_addr,
            seal_key,
            seen_days,
            body_days,
            flushers,
            grpc: GrpcConfig::read(settings, "ingest"),
            postgres: PostgresConfig::read(settings, "ingest"),
            bus: BusConfig::read(settings),
            identity: Some(ClientConfig::read(settings, "ingest", "identity")),
            body_limit: kib * 1_024,
            memory_kib: settings.or(
                "TSUNAGI_INGEST_MEMORY_KIB",
                MEMORY_KIB,
                "Webhook bodies in memory at once, in KiB; more are answered 503.",
            ),
            connections: settings.or("TSUNAGI_INGEST_CONNECTIONS", CONNECTIONS, "Connections at once; more wait."),
            read_timeout: seconds(settings.or(
                "TSUNAGI_INGEST_READ_SECONDS",
                5,
                "How long a webhook body may take to arrive.",
            )),
            idle_timeout: seconds(settings.or(
                "TSUNAGI_INGEST_IDLE_SECONDS",
                75,
                "How long a connection may lie idle; longer than the ingress keeps it.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_would_take_nothing_is_refused_by_the_settings_name() {
        for name in ["TSUNAGI_INGEST_MEMORY_KIB", "TSUNAGI_INGEST_CONNECTIONS", "TSUNAGI_INGEST_FLUSHERS"] {
            let mut settings = Settings::from_map([(name.to_owned(), "0".to_owned())].into());
            Config::read(&mut settings);
            let mistakes = settings.finish().unwrap_err().mistakes;
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(name)), "{mistakes:?}");
        }
    }
}
