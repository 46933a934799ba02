//! Where a gRPC server listens, and with which certificate.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use crate::config::Settings;
use crate::tls::TlsConfig;

/// Calls answered at once where nobody says otherwise.
const CALLS_AT_ONCE: NonZeroU32 = NonZeroU32::new(1024).unwrap();

/// A gRPC listener.
#[derive(Clone, Debug)]
pub struct GrpcConfig {
    /// Where it listens; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The certificate, and where a renewed one is found.
    pub tls: Option<TlsConfig>,
    /// Whether tokens may travel in the clear beyond loopback, because something else encrypts.
    pub allow_plaintext: bool,
    /// Calls answered at once, at most; more are refused with `RESOURCE_EXHAUSTED`.
    pub calls_at_once: NonZeroU32,
    /// Streams each principal may hold open, at least 1; more are refused with `RESOURCE_EXHAUSTED`.
    pub streams_each: usize,
}

impl From<SocketAddr> for GrpcConfig {
    fn from(addr: SocketAddr) -> Self {
        Self { addr, tls: None, allow_plaintext: false, calls_at_once: CALLS_AT_ONCE, streams_each: 256 }
    }
}

impl GrpcConfig {
    /// Reads the listener of `service` (`ingest`, `identity`, `messaging`, `scheduler`).
    pub fn read(settings: &mut Settings, service: &str) -> Self {
        let service = service.to_ascii_uppercase();
        let addr: SocketAddr =
            settings.required(&format!("TSUNAGI_{service}_GRPC_ADDR"), "Where the service's gRPC methods are served.");
        let config = Self {
            tls: TlsConfig::read(
                settings,
                "TSUNAGI_TLS",
                "certificate",
                "The certificate chain of gRPC listeners, PEM. Needed beyond loopback. Given as files, certificate and key are \
                 read again when they change.",
            ),
            allow_plaintext: allow_plaintext(settings),
            calls_at_once: settings.or(
                &format!("TSUNAGI_{service}_CALLS_AT_ONCE"),
                CALLS_AT_ONCE,
                "Calls answered at once, at most; more are refused and may be tried again.",
            ),
            streams_each: settings.or(
                &format!("TSUNAGI_{service}_STREAMS_EACH"),
                256,
                "Streams each principal may hold open; more are refused and may be tried again.",
            ),
            ..Self::from(addr)
        };
        if config.streams_each == 0 {
            settings.mistake(&format!("TSUNAGI_{service}_STREAMS_EACH"), "must be at least 1");
        }
        if !config.is_safe() {
            settings.mistake("TSUNAGI_TLS_CERTIFICATE", "is missing, and the gRPC listener is not on loopback");
        }
        config
    }

    /// Whether no token can travel in the clear.
    pub(super) fn is_safe(&self) -> bool {
        self.tls.is_some() || self.addr.ip().is_loopback() || self.allow_plaintext
    }
}

pub(super) fn allow_plaintext(settings: &mut Settings) -> bool {
    settings.or(
        "TSUNAGI_ALLOW_PLAINTEXT",
        false,
        "Whether gRPC may go without TLS beyond loopback, because a service mesh encrypts.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_would_answer_nobody_is_refused() {
        for name in ["TSUNAGI_INGEST_CALLS_AT_ONCE", "TSUNAGI_INGEST_STREAMS_EACH"] {
            let given = [("TSUNAGI_INGEST_GRPC_ADDR", "127.0.0.1:0"), (name, "0")];
            let mut settings =
                Settings::from_map(given.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
            GrpcConfig::read(&mut settings, "ingest");
            let mistakes = settings.finish().unwrap_err().mistakes;
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(name), "{mistakes:?}");
        }
    }
}
