//! Reading credentials from the wire, and writing the secrets of an account.

use chassis::envelope::EnvelopeError;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use contracts::identity::v1::ChannelCredentialInput;
use contracts::identity::v1::channel_credential_input::Kind;
use identity_linking_core::account::{AssertionKeyCredential, Credential, LongLivedToken, Valid, WebhookKey, rotated};
use identity_linking_core::principal::KeyId;
use kernel::{AccountId, EventId, Timestamp};
use line_types::signature::ChannelSecret;
use tonic::Status;

use super::fields::Fields;
use crate::change::ChangeError;
use crate::postgres::credential::StoredCredential;
use crate::postgres::{channel_secret, credential, former, webhook_key};
use crate::replica;
use crate::vault::{Vault, VaultError};

/// Reads a credential that must be there.
pub(super) fn read(fields: &mut Fields, input: Option<&ChannelCredentialInput>) -> Option<Credential> {
    match input.and_then(|input| input.kind.as_ref()) {
        None => {
            fields.wrong("credential", "is required");
            None
        }
        Some(Kind::LongLivedToken(token)) => {
            let token = fields.take("credential.long_lived_token", LongLivedToken::parse(token))?;
            Some(Credential::LongLivedToken(token))
        }
        Some(Kind::ChannelSecret(true)) => Some(Credential::ChannelSecret),
        Some(Kind::ChannelSecret(false)) => {
            fields.wrong("credential.channel_secret", "is not true");
            None
        }
        Some(Kind::AssertionKey(key)) => {
            let key_id = fields.take("credential.assertion_key.key_id", KeyId::parse(&key.key_id))?;
            let key = AssertionKeyCredential::parse(key_id, &key.private_jwk);
            fields.take("credential.assertion_key.private_jwk", key).map(Credential::AssertionKey)
        }
    }
}

/// Makes `secret` the account's channel secret; the one before stays valid for `keep`. Whether that changed anything.
pub(super) async fn put_secret(
    tx: &mut TenantTx,
    vault: &Vault,
    account: AccountId,
    secret: &ChannelSecret,
    keep: TimeDelta,
    now: Timestamp,
) -> Result<bool, ChangeError> {
    let (mut valid, mut known) = (Vec::new(), None);
    for (id, ciphertext, end) in channel_secret::valid(tx, account).await? {
        if is(tx, vault, &replica::secret_place(account, id), &ciphertext, secret).await? {
            known = Some(id);
        }
        valid.push(Valid { which: id, end });
    }
    let id = known.unwrap_or_else(|| EventId::new(now).uuid());
    let after = rotated(&valid, &id, keep, former::now(tx).await?);
    if after == valid {
        return Ok(false);
    }
    if !channel_secret::keep(tx, account, &after).await? {
        let ciphertext = vault.close(tx, &replica::secret_place(account, id), secret.expose().as_bytes()).await?;
        channel_secret::insert(tx, account, id, &ciphertext, now).await?;
    }
    Ok(true)
}

/// Whether what is kept is this secret. What does not open any more is another, so that setting a secret mends it.
async fn is(
    tx: &mut TenantTx,
    vault: &Vault,
    place: &str,
    ciphertext: &[u8],
    secret: &ChannelSecret,
) -> Result<bool, ChangeError> {
    match vault.open(tx, place, ciphertext).await {
        Ok(kept) => Ok(kept.as_slice() == secret.expose().as_bytes()),
        Err(VaultError::Envelope(EnvelopeError::Database(error))) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// Makes `credential` the account's.
pub(super) async fn put_credential(
    tx: &mut TenantTx,
    vault: &Vault,
    account: AccountId,
    given: &Credential,
) -> Result<(), ChangeError> {
    let (key_id, material) = match given {
        Credential::LongLivedToken(token) => (None, Some(token.reveal())),
        Credential::ChannelSecret => (None, None),
        Credential::AssertionKey(key) => (Some(key.key_id().as_str().to_owned()), Some(key.reveal())),
    };
    let ciphertext = match material {
        None => None,
        Some(material) => Some(vault.close(tx, &replica::credential_place(account), material.as_bytes()).await?),
    };
    let stored = StoredCredential { kind: given.kind().to_owned(), key_id, ciphertext };
    credential::replace(tx, account, &stored).await?;
    Ok(())
}

/// Makes a new webhook key for the account; the one before stays valid for `keep`.
pub(super) async fn put_webhook_key(
    tx: &mut TenantTx,
    account: AccountId,
    keep: TimeDelta,
    now: Timestamp,
) -> Result<WebhookKey, ChangeError> {
    let key = WebhookKey::of(tx.tenant(), rand::random());
    let valid = webhook_key::valid(tx, account).await?.into_iter().map(|(which, end)| Valid { which, end });
    let after = rotated(&valid.collect::<Vec<_>>(), &key.hash().to_vec(), keep, former::now(tx).await?);
    webhook_key::keep(tx, account, &after, now).await?;
    Ok(key)
}

/// Refuses where the credential would be the channel secret and none is set.
pub(super) fn check_equipped(credential: &Credential, has_channel_secret: bool) -> Result<(), Status> {
    if matches!(credential, Credential::ChannelSecret) && !has_channel_secret {
        return Err(refuse::precondition("SECRET_MISSING", "a channel secret must be set first"));
    }
    Ok(())
}
