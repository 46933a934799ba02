//! Secrets of LINE's channels: encrypted where they are kept, sealed to one service where they travel.

use chassis::envelope::{Envelope, EnvelopeError, MasterKeys};
use chassis::postgres::TenantTx;
use chassis::seal::{self, PublicKey, SealError};
use contracts::events::v1::SealedSecret;
use zeroize::Zeroizing;

/// The keys that secrets are kept and handed on with.
#[derive(Debug)]
pub(crate) struct Vault {
    envelope: Envelope,
    ingest: PublicKey,
    messaging: PublicKey,
}

/// A service that may read secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// webhook-ingest: channel secrets, to verify webhooks.
    Ingest,
    /// messaging-outbox: channel secrets and credentials, to call LINE.
    Messaging,
}

/// Why a secret could not be kept or handed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VaultError {
    /// It could not be encrypted or decrypted.
    #[error("a secret cannot be kept or read")]
    Envelope(#[from] EnvelopeError),
    /// It could not be sealed.
    #[error("a secret cannot be sealed")]
    Seal(#[from] SealError),
}

impl Vault {
    /// The vault of a deployment's master keys, sealing to these keys of the receivers.
    pub(crate) fn new(master_keys: MasterKeys, ingest: PublicKey, messaging: PublicKey) -> Self {
        Self { envelope: Envelope::new(master_keys), ingest, messaging }
    }

    /// Encrypts a secret of the transaction's tenant for one place.
    pub(crate) async fn close(&self, tx: &mut TenantTx, place: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(self.envelope.encrypt(tx, place, secret).await?)
    }

    /// Decrypts what was encrypted for the same tenant and place.
    pub(crate) async fn open(
        &self,
        tx: &mut TenantTx,
        place: &str,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        Ok(self.envelope.decrypt(tx, place, ciphertext).await?)
    }

    /// Seals a secret so that only `recipient` can open it.
    pub(crate) fn seal_to(&self, recipient: Recipient, secret: &[u8]) -> Result<SealedSecret, VaultError> {
        let (name, key) = match recipient {
            Recipient::Ingest => ("ingest", &self.ingest),
            Recipient::Messaging => ("messaging", &self.messaging),
        };
        Ok(SealedSecret {
            recipient: name.to_owned(),
            key_id: key.id(),
            ciphertext: seal::seal(key, secret)?,
            expire_time: None,
        })
    }
}
