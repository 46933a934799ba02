//! TLS for a server that a test starts on loopback.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

/// TLS for `127.0.0.1` and `localhost`, and the certificate that vouches for it, PEM.
///
/// # Errors
/// When no certificate can be made.
pub fn on_loopback() -> anyhow::Result<(TlsAcceptor, String)> {
    let key = rcgen::KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)?.self_signed(&key)?;
    let private = PrivateKeyDer::try_from(key.serialize_der()).ok().context("a key of another form")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)?;
    Ok((TlsAcceptor::from(Arc::new(config)), certificate.pem()))
}
