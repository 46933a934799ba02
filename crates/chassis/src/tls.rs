//! TLS of this process's listeners: the certificate each of them shows, and what is renewed while the process lives.

mod certificate;
mod expiry;
mod renewal;

pub(crate) use certificate::Certificate;
pub use certificate::TlsConfig;
pub use renewal::TlsError;
pub(crate) use renewal::{LOOKED_AT_EVERY, Renewed, certificates, follow};
