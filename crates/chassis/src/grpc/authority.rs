//! Whose certificates a client trusts. The authority is renewed as the certificates are, years apart; whoever does it puts the old
//! and the new one into the file for a while.

use std::path::PathBuf;
use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::config::{Settings, read_file};
use crate::tls::{LOOKED_AT_EVERY, Renewed, TlsError, certificates};

/// Whose certificates are trusted.
#[derive(Clone, Debug)]
pub struct TlsAuthority {
    /// Certificates of one or more authorities, PEM.
    pub pem: String,
    /// The file they came from; none if they were not given as a file, and then they never change.
    pub file: Option<PathBuf>,
    /// How often the file is looked at.
    pub looked_at_every: Duration,
}

impl TlsAuthority {
    /// Authorities, PEM, that stay what they are.
    #[must_use]
    pub fn fixed(pem: String) -> Self {
        Self { pem, file: None, looked_at_every: LOOKED_AT_EVERY }
    }

    /// Reads `TSUNAGI_TLS_AUTHORITY`.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let pem: Option<String> = settings.optional(
            "TSUNAGI_TLS_AUTHORITY",
            "Whose certificates are trusted when a service is called, PEM. Given as a file, it is read again when it changes.",
        );
        let file = settings.file("TSUNAGI_TLS_AUTHORITY");
        Some(Self { file, ..Self::fixed(pem?) })
    }
}

/// The way to one service, as long as this authority is trusted.
#[derive(Clone)]
pub(super) struct Trusted {
    pub(super) endpoint: Endpoint,
    pub(super) authority: TlsAuthority,
}

impl Trusted {
    /// A channel that connects when it is first used.
    pub(super) fn channel(&self) -> Result<Channel, TlsError> {
        certificates(&self.authority.pem)?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authority.pem));
        Ok(self.endpoint.clone().tls_config(tls).map_err(TlsError::Untrusted)?.connect_lazy())
    }
}

impl Renewed for Trusted {
    type Made = Channel;

    fn name(&self) -> &'static str {
        "authority"
    }

    fn changed(&self) -> Result<Option<(Self, Channel)>, TlsError> {
        let Some(file) = &self.authority.file else { return Ok(None) };
        let pem = read_file(file).map_err(TlsError::File)?;
        if pem.expose() == self.authority.pem {
            return Ok(None);
        }
        let authority = TlsAuthority { pem: pem.expose().to_owned(), ..self.authority.clone() };
        let renewed = Self { authority, ..self.clone() };
        let channel = renewed.channel()?;
        Ok(Some((renewed, channel)))
    }
}
