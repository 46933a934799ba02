//! A certificate for a test's own server, and who signed it.

use std::path::{Path, PathBuf};

use crate::scratch::Scratch;

/// A certificate for 127.0.0.1 in files.
pub(super) struct Certificate {
    folder: Scratch,
    authority: PathBuf,
}

impl Certificate {
    /// Issues one by an authority nobody else has.
    pub(super) fn issue() -> anyhow::Result<Self> {
        let folder = Scratch::new("nats_tls", None)?;
        let authority_key = rcgen::KeyPair::generate()?;
        let mut authority = rcgen::CertificateParams::new(Vec::new())?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_file = folder.path().join("ca.crt");
        std::fs::write(&authority_file, authority.self_signed(&authority_key)?.pem())?;
        let key = rcgen::KeyPair::generate()?;
        let own = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let signed = own.signed_by(&key, &rcgen::Issuer::new(authority, authority_key))?;
        std::fs::write(folder.path().join("tls.crt"), signed.pem())?;
        std::fs::write(folder.path().join("tls.key"), key.serialize_pem())?;
        Ok(Self { authority: authority_file, folder })
    }

    pub(super) fn authority(&self) -> &Path {
        &self.authority
    }

    /// Where the server finds it.
    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        ["NATS_TLS_CERTIFICATE", "NATS_TLS_KEY"]
            .map(|name| (name, self.folder.path().join(if name.ends_with("KEY") { "tls.key" } else { "tls.crt" })))
    }
}
