//! An account replica reduced to what receiving needs, and opened into what verification uses.

use chassis::seal::{PrivateKey, open};
use contracts::events::v1::AccountReplica;
use contracts::to_timestamp;
use kernel::{AccountId, TenantId};
use line_types::signature::{ChannelSecret, VerifyingKey};
use prost::Message;
use webhook_ingest_core::{Account, KeyGrant, KeyHash, SecretGrant};

/// Whom identity-linking names as the recipient of secrets sealed to this service.
const RECIPIENT: &str = "ingest";

/// An account replica that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the account's replica cannot be read")]
pub(super) struct Unreadable;

/// What is stored of a replica: the bot, the webhook keys and the secrets for this service. Names and what belongs to other
/// services are left out.
pub(super) fn reduced(replica: &AccountReplica) -> AccountReplica {
    AccountReplica {
        account_id: replica.account_id.clone(),
        version: replica.version,
        bot_user_id: replica.bot_user_id.clone(),
        webhook_keys: replica.webhook_keys.clone(),
        channel_secrets: replica
            .channel_secrets
            .iter()
            .filter(|secret| secret.recipient == RECIPIENT)
            .cloned()
            .collect(),
        ..AccountReplica::default()
    }
}

/// The account that stored material describes. A secret that cannot be opened is left out and told: it was sealed to
/// another key of this service.
pub(super) fn opened(tenant: TenantId, material: &[u8], key: &PrivateKey) -> Result<Account, Unreadable> {
    let replica = AccountReplica::decode(material).map_err(|_| Unreadable)?;
    let id: AccountId = replica.account_id.parse().map_err(|_| Unreadable)?;
    // A time that cannot be told is over.
    let end = |time| to_timestamp(time).unwrap_or_default();
    let keys = replica.webhook_keys.iter().filter_map(|grant| {
        Some(KeyGrant { hash: KeyHash::from_bytes(&grant.hash)?, expires: grant.expire_time.as_ref().map(end) })
    });
    let secrets = replica.channel_secrets.iter().filter_map(|sealed| {
        let secret = open(key, &sealed.ciphertext).ok();
        let secret = secret.as_ref().and_then(|secret| std::str::from_utf8(secret).ok());
        let secret = secret.and_then(|secret| ChannelSecret::parse(secret).ok());
        if secret.is_none() {
            tracing::error!(account = %id, key = sealed.key_id, "a channel secret cannot be opened");
            metrics::counter!("tsunagi_ingest_unopened_secrets_total").increment(1);
        }
        Some(SecretGrant { key: VerifyingKey::new(&secret?), expires: sealed.expire_time.as_ref().map(end) })
    });
    Ok(Account {
        tenant,
        id,
        version: replica.version,
        bot_user_id: Some(replica.bot_user_id.clone()).filter(|bot| !bot.is_empty()),
        keys: keys.collect(),
        secrets: secrets.collect(),
    })
}

#[cfg(test)]
mod tests {
    use chassis::seal::seal;
    use contracts::events::v1::{SealedSecret, WebhookKeyHash};
    use contracts::timestamp;
    use line_types::signature::Signature;
    use uuid::Uuid;

    use super::*;

    fn sealed(recipient: &str, key: &PrivateKey, secret: &str, ends: Option<i64>) -> SealedSecret {
        SealedSecret {
            recipient: recipient.to_owned(),
            key_id: key.public().id(),
            ciphertext: seal(&key.public(), secret.as_bytes()).unwrap(),
            expire_time: ends.map(|seconds| timestamp(chrono::DateTime::from_timestamp(seconds, 0).unwrap())),
        }
    }

    #[test]
    fn only_secrets_for_this_service_that_it_can_open_verify() {
        let (ours, theirs) = (PrivateKey::generate(), PrivateKey::generate());
        let replica = AccountReplica {
            account_id: Uuid::from_u128(7).to_string(),
            version: 3,
            display_name: "Salon".to_owned(),
            webhook_keys: vec![WebhookKeyHash { hash: vec![1; 32], expire_time: None }],
            channel_secrets: vec![
                sealed("ingest", &ours, "newest", None),
                sealed("messaging", &theirs, "newest", None),
                sealed("ingest", &theirs, "lost", Some(100)),
                sealed("ingest", &ours, "older", Some(200)),
            ],
            ..AccountReplica::default()
        };
        let reduced = reduced(&replica);
        assert_eq!((reduced.display_name.as_str(), reduced.channel_secrets.len()), ("", 3));
        let account = opened(Uuid::from_u128(1).into(), &reduced.encode_to_vec(), &ours).unwrap();
        assert_eq!((account.version, account.keys.len(), account.bot_user_id), (3, 1, None));
        let by = |secret: &str| {
            let header = VerifyingKey::new(&ChannelSecret::parse(secret).unwrap()).sign(b"body");
            let signature = Signature::parse(header.as_bytes()).unwrap();
            account.secrets.iter().position(|grant| grant.key.verifies(&signature, b"body"))
        };
        assert_eq!((by("newest"), by("older"), by("lost")), (Some(0), Some(1), None));
        let ends: Vec<_> = account.secrets.iter().map(|grant| grant.expires.map(|end| end.timestamp())).collect();
        assert_eq!(ends, [None, Some(200)], "each has its own time, also behind one that cannot be opened");
    }
}
