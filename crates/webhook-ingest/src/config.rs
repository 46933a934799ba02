//! The settings of webhook-ingest.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bus::BusConfig;
use chassis::config::Settings;
use chassis::egress::EgressConfig;
use chassis::envelope::MasterKeys;
use chassis::grpc::{ClientConfig, GrpcConfig};
use chassis::postgres::PostgresConfig;
use chassis::seal::PrivateKey;
use chassis::tls::TlsConfig;

/// KiB of bodies in memory at once where nobody says otherwise.
const MEMORY_KIB: NonZeroU32 = NonZeroU32::new(65_536).unwrap();
/// Connections at once where nobody says otherwise: with the bodies, so many stay below the 256 MiB that the manifests give (R-8 of
/// `make bench`).
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(2_000).unwrap();
/// Events a second that a replay publishes where nobody says otherwise.
const REPLAYED_PER_SECOND: NonZeroU32 = NonZeroU32::new(200).unwrap();

/// How webhook-ingest runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where webhooks are received.
    pub http_addr: SocketAddr,
    /// The certificate shown there. None: plain HTTP, and an ingress in front of it speaks TLS with LINE.
    pub http_tls: Option<TlsConfig>,
    /// Where `ArchiveService` is served.
    pub grpc: GrpcConfig,
    /// The archive.
    pub postgres: PostgresConfig,
    /// The bus.
    pub bus: BusConfig,
    /// Where accounts are fetched from when the replica is empty; none: they come by events alone.
    pub identity: Option<ClientConfig>,
    /// Wrap the data keys that bodies are encrypted with.
    pub master_keys: MasterKeys,
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
    /// Events a second that a replay publishes.
    pub replayed_per_second: NonZeroU32,
    /// How the addresses are called that webhooks are forwarded to.
    pub egress: EgressConfig,
}

impl Config {
    /// Reads the settings.
    pub fn read(settings: &mut Settings) -> Self {
        let http_addr =
            settings.required("TSUNAGI_INGEST_HTTP_ADDR", "Where LINE's webhooks are received (HTTP/1.1 and HTTP/2).");
        let http_tls = TlsConfig::read(
            settings,
            "TSUNAGI_INGEST_HTTP_TLS",
            "webhook_certificate",
            "The certificate chain shown where webhooks are received, PEM; without one an ingress speaks TLS with LINE. Given as \
             files, certificate and key are read again when they change.",
        );
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
            http_tls,
            seal_key,
            master_keys: MasterKeys::read(settings),
            seen_days,
            body_days,
            flushers,
            grpc: GrpcConfig::read(settings, "ingest"),
            postgres: PostgresConfig::read(settings, "ingest"),
            bus: BusConfig::read(settings),
            egress: EgressConfig::read(settings),
            identity: Some(ClientConfig::read(settings, "ingest", "identity")),
            body_limit: kib * 1_024,
            memory_kib: settings.or(
                "TSUNAGI_INGEST_MEMORY_KIB",
                MEMORY_KIB,
                "Webhook bodies in memory at once, in KiB; more are answered 503.",
            ),
            replayed_per_second: settings.or(
                "TSUNAGI_INGEST_REPLAYED_PER_SECOND",
                REPLAYED_PER_SECOND,
                "Events a second that a replay publishes, and a replica of all replays together.",
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
    fn a_certificate_that_cannot_be_shown_is_refused_by_the_settings_name() {
        let mistakes = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut settings = Settings::from_map(given);
            Config::read(&mut settings);
            let mistakes = settings.finish().unwrap_err().mistakes;
            mistakes.into_iter().filter(|mistake| mistake.contains("_TLS_")).collect::<Vec<_>>()
        };
        let (chain, key) = ("TSUNAGI_INGEST_HTTP_TLS_CERTIFICATE", "TSUNAGI_INGEST_HTTP_TLS_KEY");
        assert_eq!(mistakes(&[]), Vec::<String>::new());
        for alone in [chain, key] {
            assert_eq!(mistakes(&[(alone, "x")]), [format!("{key} and {chain} belong together")]);
        }
        let garbage = mistakes(&[(chain, "x"), (key, "secret")]);
        assert!(garbage.len() == 1 && garbage[0].starts_with(&format!("{chain} cannot be used: ")), "{garbage:?}");
        assert!(!garbage[0].contains("secret"));
    }

    #[test]
    fn a_service_that_would_take_nothing_is_refused_by_the_settings_name() {
        for name in [
            "TSUNAGI_INGEST_MEMORY_KIB",
            "TSUNAGI_INGEST_CONNECTIONS",
            "TSUNAGI_INGEST_FLUSHERS",
            "TSUNAGI_INGEST_REPLAYED_PER_SECOND",
        ] {
            let mut settings = Settings::from_map([(name.to_owned(), "0".to_owned())].into());
            Config::read(&mut settings);
            let mistakes = settings.finish().unwrap_err().mistakes;
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(name)), "{mistakes:?}");
        }
    }
}
