//! How an official account is told: its keys as hashes, its secrets sealed to the services that need them.

use chassis::postgres::TenantTx;
use contracts::events::v1::{
    AccountPurpose as WirePurpose, AccountReplica, AccountState as WireState, ChannelCredential, ChannelCredentialKind,
    SealedSecret, WebhookKeyHash,
};
use contracts::timestamp;
use identity_linking_core::account::{AccountPurpose, AccountState};
use kernel::AccountId;
use line_types::id::BotUserId;

use super::{optional, text};
use crate::change::ChangeError;
use crate::postgres::account::StoredAccount;
use crate::postgres::{channel_secret, credential, webhook_key};
use crate::vault::{Recipient, Vault, VaultError};

/// An official account, as the transaction sees it.
pub(crate) async fn account(
    tx: &mut TenantTx,
    vault: &Vault,
    account: &StoredAccount,
) -> Result<AccountReplica, ChangeError> {
    let keys = webhook_key::valid(tx, account.id).await?;
    let mut secrets = Vec::new();
    for (secret_id, ciphertext, expire_time) in channel_secret::valid(tx, account.id).await? {
        let secret = vault.open(tx, &secret_place(account.id, secret_id), &ciphertext).await?;
        secrets.push((secret, expire_time.map(timestamp)));
    }
    let mut sealed = Vec::new();
    for recipient in [Recipient::Ingest, Recipient::Messaging] {
        for (secret, expire_time) in &secrets {
            sealed.push(SealedSecret { expire_time: *expire_time, ..vault.seal_to(recipient, secret)? });
        }
    }
    Ok(AccountReplica {
        account_id: account.id.to_string(),
        version: account.version,
        provider_id: account.value.provider.to_string(),
        channel_id: account.value.channel_id.as_str().to_owned(),
        bot_user_id: account.value.bot.as_ref().map(BotUserId::as_str).unwrap_or_default().to_owned(),
        display_name: text(account.value.display_name.as_ref()),
        state: state(account.value.state).into(),
        webhook_keys: keys
            .into_iter()
            .map(|(hash, expire_time)| WebhookKeyHash { hash, expire_time: expire_time.map(timestamp) })
            .collect(),
        channel_secrets: sealed,
        credential: channel_credential(tx, vault, account.id, secrets.first().map(|(secret, _)| secret.as_slice()))
            .await?,
        default_organization_id: optional(account.value.default_organization),
        owner_organization_id: optional(account.value.owner_organization),
        purpose: purpose(account.value.purpose).into(),
    })
}

async fn channel_credential(
    tx: &mut TenantTx,
    vault: &Vault,
    account: AccountId,
    channel_secret: Option<&[u8]>,
) -> Result<Option<ChannelCredential>, ChangeError> {
    let Some(kept) = credential::find(tx, account).await? else { return Ok(None) };
    let kind = ChannelCredentialKind::from_str_name(&format!("CHANNEL_CREDENTIAL_KIND_{}", kept.kind));
    let material = match &kept.ciphertext {
        Some(ciphertext) => Some(vault.open(tx, &credential_place(account), ciphertext).await?),
        None => None,
    };
    let sealed: Result<_, VaultError> = material
        .as_ref()
        .map(|material| material.as_slice())
        .or(channel_secret)
        .map(|material| vault.seal_to(Recipient::Messaging, material))
        .transpose();
    Ok(Some(ChannelCredential {
        kind: kind.unwrap_or_default().into(),
        material: sealed?,
        key_id: kept.key_id.unwrap_or_default(),
    }))
}

/// Where a channel secret is kept; what was encrypted for one place opens at no other.
pub(crate) fn secret_place(account: AccountId, secret: uuid::Uuid) -> String {
    format!("channel_secret/{account}/{secret}")
}

/// Where an account's credential is kept.
pub(crate) fn credential_place(account: AccountId) -> String {
    format!("channel_credential/{account}")
}

/// Whom an account is for, on the wire.
pub(crate) fn purpose(purpose: AccountPurpose) -> WirePurpose {
    match purpose {
        AccountPurpose::Customers => WirePurpose::Customers,
        AccountPurpose::Staff => WirePurpose::Staff,
        AccountPurpose::SharedStaff => WirePurpose::SharedStaff,
    }
}

/// An account's state on the wire.
pub(crate) fn state(state: AccountState) -> WireState {
    match state {
        AccountState::Registered => WireState::Registered,
        AccountState::Connected => WireState::Connected,
        AccountState::Paused => WireState::Paused,
    }
}
