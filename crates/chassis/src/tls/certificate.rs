//! The certificate of a listener: read at the start, and again when its files change, because whoever issues it renews it while the
//! process lives. Connections that stand keep what they began with.

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

use super::expiry::expiry;
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
    /// What the figures call it.
    pub of: &'static str,
}

impl TlsConfig {
    /// A certificate and its key, PEM, that stay what they are.
    #[must_use]
    pub fn fixed(certificate: String, key: Secret) -> Self {
        Self { certificate, key, files: None, looked_at_every: LOOKED_AT_EVERY, of: "certificate" }
    }

    /// Reads `{prefix}_CERTIFICATE`, which `about` describes, and `{prefix}_KEY`. None where neither is given. Figures call it `of`.
    pub fn read(settings: &mut Settings, prefix: &str, of: &'static str, about: &str) -> Option<Self> {
        let (chain_name, key_name) = (format!("{prefix}_CERTIFICATE"), format!("{prefix}_KEY"));
        let certificate: Option<String> = settings.optional(&chain_name, about);
        let key: Option<Secret> = settings.optional(&key_name, "The private key of that certificate, PEM.");
        if certificate.is_some() != key.is_some() {
            settings.mistake(&key_name, &format!("and {chain_name} belong together"));
        }
        let files = settings.file(&chain_name).zip(settings.file(&key_name));
        let config = Self { files, of, ..Self::fixed(certificate?, key?) };
        if let Err(why) = config.certified() {
            settings.mistake(&chain_name, &format!("cannot be used: {why}"));
        }
        Some(config)
    }

    fn certified(&self) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes()).map_err(TlsError::Pem)?;
        // Says no, too, when the key is another certificate's.
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::Unfit)
    }

    /// Tells until when this certificate can be shown.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    fn note_expiry(&self, certified: &CertifiedKey) {
        if let Some(expiry) = expiry(&certified.cert) {
            metrics::gauge!("tsunagi_tls_certificate_expiry_timestamp_seconds", "of" => self.of).set(expiry as f64);
        }
    }
}

impl Renewed for TlsConfig {
    type Made = CertifiedKey;

    fn name(&self) -> &'static str {
        self.of
    }

    fn changed(&self) -> Result<Option<(Self, CertifiedKey)>, TlsError> {
        let Some((certificate_file, key_file)) = &self.files else { return Ok(None) };
        let read = |path: &PathBuf| read_file(path).map_err(TlsError::File);
        let (certificate, key) = (read(certificate_file)?, read(key_file)?);
        if certificate.expose() == self.certificate && key == self.key {
            return Ok(None);
        }
        let renewed = Self { certificate: certificate.expose().to_owned(), key, ..self.clone() };
        let certified = renewed.certified()?;
        renewed.note_expiry(&certified);
        Ok(Some((renewed, certified)))
    }
}

/// The certificate as it stands. Clones share it.
#[derive(Clone)]
pub(crate) struct Certificate(Arc<RwLock<Arc<CertifiedKey>>>);

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
    pub(crate) fn load(config: &TlsConfig) -> Result<Self, TlsError> {
        let certified = config.certified()?;
        config.note_expiry(&certified);
        Ok(Self(Arc::new(RwLock::new(Arc::new(certified)))))
    }

    /// How a TLS server that shows it answers, by TLS 1.2 or 1.3. It speaks `protocols`, by their names in ALPN (RFC 7301); where the
    /// client knows several of them, the first.
    pub(crate) fn server(&self, protocols: &[&[u8]]) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unfit)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }

    /// Shows what the files of `config` hold, whenever that changes, until `stopping`.
    pub(crate) async fn follow(self, config: TlsConfig, stopping: CancellationToken) -> anyhow::Result<()> {
        let every = config.looked_at_every;
        let show = |certified| *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
        renewal::follow(config, every, stopping, show).await
    }
}
