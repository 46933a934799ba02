//! The certificate of a gRPC listener: read at the start, and again when its files change, because whoever issues it renews it
//! while the process lives. Connections that stand keep what they began with.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::{Secret, Settings, read_file};

/// How often the files are looked at. A mounted Kubernetes Secret takes about a minute to arrive anyway.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

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

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A text is not PEM, or holds no certificate or no key.
    #[error("the certificate or its key is not PEM")]
    Pem(#[source] pem::Error),
    /// The key is of no kind that is understood, or belongs to another certificate.
    #[error("the certificate and its key do not fit")]
    Unfit(#[source] rustls::Error),
    /// A file cannot be read.
    #[error("the setting of the certificate {0}")]
    File(String),
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
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(TlsError::Pem)?;
        if chain.is_empty() {
            return Err(TlsError::Pem(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).map_err(TlsError::Pem)?;
        // Says no, too, when the key is another certificate's.
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Unfit)
    }

    /// What the files hold now, if that is something else.
    fn changed(&self) -> Result<Option<Self>, TlsError> {
        let Some((certificate_file, key_file)) = &self.files else { return Ok(None) };
        let read = |path: &PathBuf| read_file(path).map_err(TlsError::File);
        let (certificate, key) = (read(certificate_file)?, read(key_file)?);
        if certificate.expose() == self.certificate && key == self.key {
            return Ok(None);
        }
        Ok(Some(Self { certificate: certificate.expose().to_owned(), key, ..self.clone() }))
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

    /// Takes over what the files say whenever that changes, until `stopping`. What cannot be used is passed over: while one file
    /// is new and the other old, they do not fit.
    pub(super) async fn follow(self, mut config: TlsConfig, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(config.looked_at_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = false;
        while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
            let shown = config.clone();
            let renewed = tokio::task::spawn_blocking(move || match shown.changed()? {
                Some(changed) => Ok(Some((changed.certified()?, changed))),
                None => Ok::<_, TlsError>(None),
            });
            let outcome = renewed.await?;
            let failed = outcome.is_err();
            metrics::gauge!("tsunagi_tls_renewal_failing").set(if failed { 1.0 } else { 0.0 });
            match outcome {
                Ok(Some((certified, changed))) => {
                    *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                    config = changed;
                    tracing::info!("the certificate of the gRPC listener was renewed");
                }
                Err(error) if !told => {
                    tracing::warn!(error = %error, "the renewed certificate cannot be used; the old one is shown");
                }
                _ => {}
            }
            told = failed;
        }
        Ok(())
    }
}
