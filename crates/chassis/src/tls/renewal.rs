//! Files that whoever issues certificates renews while the process lives: looked at now and then, and taken over when they can be
//! used.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often files are looked at. A mounted Kubernetes Secret takes about a minute to arrive anyway.
pub(crate) const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A text is not PEM, or holds no certificate or no key.
    #[error("the certificate or its key is not PEM")]
    Pem(#[source] pem::Error),
    /// The key is of no kind that is understood, or belongs to another certificate.
    #[error("the certificate and its key do not fit")]
    Unfit(#[source] rustls::Error),
    /// No connection can be made on its strength.
    #[error("the authority cannot be trusted")]
    Untrusted(#[source] tonic::transport::Error),
    /// A file cannot be read.
    #[error("the setting of the certificate {0}")]
    File(String),
}

/// What is renewed in files.
pub(crate) trait Renewed: Clone + Send + 'static {
    /// What is made of it.
    type Made: Send + 'static;
    /// What the figures call it.
    fn name(&self) -> &'static str;

    /// What the files hold now, if that is something else, and what is made of it.
    fn changed(&self) -> Result<Option<(Self, Self::Made)>, TlsError>;
}

/// Takes over what the files say whenever that changes, until `stopping`. What cannot be used is passed over: while one file is new
/// and the other old, they do not fit.
pub(crate) async fn follow<R: Renewed>(
    mut current: R,
    every: Duration,
    stopping: CancellationToken,
    mut take: impl FnMut(R::Made),
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, of) = (false, current.name());
    while stopping.run_until_cancelled(ticks.tick()).await.is_some() {
        let known = current.clone();
        let runtime = tokio::runtime::Handle::current();
        let outcome = tokio::task::spawn_blocking(move || {
            let _entered = runtime.enter();
            known.changed()
        });
        let outcome = outcome.await?;
        let failed = outcome.is_err();
        metrics::gauge!("tsunagi_tls_renewal_failing", "of" => of).set(if failed { 1.0 } else { 0.0 });
        match outcome {
            Ok(Some((renewed, made))) => {
                take(made);
                current = renewed;
                tracing::info!(of, "what was renewed for TLS was taken over");
            }
            Err(error) if !told => {
                tracing::warn!(of, error = %error, "what was renewed for TLS cannot be used; the old one holds");
            }
            _ => {}
        }
        told = failed;
    }
    Ok(())
}

/// The certificates in a PEM text, one at least.
pub(crate) fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(TlsError::Pem)?;
    if found.is_empty() { Err(TlsError::Pem(pem::Error::NoItemsFound)) } else { Ok(found) }
}
