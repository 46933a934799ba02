//! The certificate of a gRPC listener: read at the start, and again when its files change, because whoever issues it renews it
//! while the process lives. Connections that stand keep what they began with.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

use super::renewal::{self, LOOKED_AT_EVERY, Renewed, TlsError, certificates};
use crate::config::{Secret, Settings, read_file};

/// What a listener shows of itself.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// Certificate chain, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: Secret,
    /// The files both came from, certificate and key; none if they were not given as files, and then they never change.
    pub files: Option<(PathBuf, PathBuf)>,
    /// How often the files are looked at.
    pub looked_at_every: Duration,
}

impl TlsConfig {
    /// A certificate and its key, PEM, that stay what they are.
    #[must_use]
    pub fn fixed(certificate: String, key: Secret) -> Self {
        Self { certificate, key, files: None, looked_at_every: LOOKED_AT_EVERY }
    }

    /// Reads `TSUNAGI_TLS_CERTIFICATE` and `TSUNAGI_TLS_KEY`.
    pub(super) fn read(settings: &mut Settings) -> Option<Self> {
        let certificate: Option<String> = settings.optional(
            "TSUNAGI_TLS_CERTIFICATE",
            "The certificate chain of gRPC listeners, PEM. Needed beyond loopback. Given as files, certificate and key are \
             read again when they change.",
        );
        let key: Option<Secret> = settings.optional("TSUNAGI_TLS_KEY", "The private key of that certificate, PEM.");
        if certificate.is_some() != key.is_some() {
            settings.mistake("TSUNAGI_TLS_KEY", "and TSUNAGI_TLS_CERTIFICATE belong together");
        }
        let files = settings.file("TSUNAGI_TLS_CERTIFICATE").zip(settings.file("TSUNAGI_TLS_KEY"));
        Some(Self { files, ..Self::fixed(certificate?, key?) })
    }

    fn certified(&self) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).map_err(TlsError::Pem)?;
        // Says no, too, when the key is another certificate's.
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Unfit)
    }
}

impl Renewed for TlsConfig {
    type Made = CertifiedKey;
    const NAME: &'static str = "certificate";

    fn changed(&self) -> Result<Option<(Self, CertifiedKey)>, TlsError> {
        let Some((certificate_file, key_file)) = &self.files else { return Ok(None) };
        let read = |path: &PathBuf| read_file(path).map_err(TlsError::File);
        let (certificate, key) = (read(certificate_file)?, read(key_file)?);
        if certificate.expose() == self.certificate && key == self.key {
            return Ok(None);
        }
        let renewed = Self { certificate: certificate.expose().to_owned(), key, ..self.clone() };
        let certified = renewed.certified()?;
        Ok(Some((renewed, certified)))
    }
}

/// The certificate as it stands. Clones share it.
#[derive(Clone)]
pub(super) struct Certificate(Arc<RwLock<Arc<CertifiedKey>>>);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificate {
    pub(super) fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(config.certified()?)))))
    }

    /// How a TLS server that shows it answers. It speaks HTTP/2 alone, as gRPC does.
    pub(super) fn server(&self) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unfit)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols.push(b"h2".to_vec());
        Ok(config)
    }

    /// Shows what the files of `config` hold, whenever that changes, until `stopping`.
    pub(super) async fn follow(self, config: TlsConfig, stopping: CancellationToken) -> anyhow::Result<()> {
        let every = config.looked_at_every;
        let show = |certified| *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        renewal::follow(config, every, stopping, show).await
    }
}
