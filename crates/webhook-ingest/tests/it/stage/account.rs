//! Accounts whose webhook address and secrets the test knows.

use chassis::seal::seal;
use contracts::events::v1::{AccountReplica, SealedSecret, WebhookKeyHash};
use kernel::{AccountId, TenantId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Stage;

pub(crate) const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";
pub(crate) const SECRET: &str = "8c570fa6dd201bb328f1c1eac23a96d8";
pub(crate) const OLD_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An account whose webhook address and secrets the test knows.
#[derive(Clone)]
pub(crate) struct TestAccount {
    pub(crate) tenant: TenantId,
    pub(crate) id: AccountId,
    pub(crate) key: String,
}

impl Stage {
    /// What identity-linking would say of an account: the bot, one key, the two secrets of a rotation.
    pub(crate) fn replica_of(&self, account: &TestAccount, version: i64) -> AccountReplica {
        self.replica_signing(account, version, &[SECRET, OLD_SECRET])
    }

    /// The same of an account with these secrets.
    pub(crate) fn replica_signing(&self, account: &TestAccount, version: i64, secrets: &[&str]) -> AccountReplica {
        let public = self.seal_key.public();
        let sealed = |secret: &str| SealedSecret {
            recipient: "ingest".to_owned(),
            key_id: public.id(),
            ciphertext: seal(&public, secret.as_bytes()).unwrap(),
            expire_time: None,
        };
        AccountReplica {
            account_id: account.id.to_string(),
            version,
            bot_user_id: BOT.to_owned(),
            webhook_keys: vec![account.key_hash()],
            channel_secrets: secrets.iter().map(|secret| sealed(secret)).collect(),
            ..AccountReplica::default()
        }
    }

    /// Takes an account's version in as the consumer does.
    pub(crate) async fn put(&self, account: &TestAccount, replica: AccountReplica) {
        let mut tx = self.ingest().await.tenant(account.tenant).await.unwrap();
        webhook_ingest::apply(&mut tx, &replica).await.unwrap();
        tx.commit().await.unwrap();
    }
}

impl TestAccount {
    /// Of a tenant that has no other.
    pub(crate) fn new() -> Self {
        Self::of(Uuid::new_v4().into())
    }

    pub(crate) fn of(tenant: TenantId) -> Self {
        let key = format!("{tenant}.{}{}", Uuid::new_v4().simple(), "0123456789a");
        Self { tenant, id: Uuid::new_v4().into(), key }
    }

    pub(crate) fn key_hash(&self) -> WebhookKeyHash {
        let secret = self.key.split_once('.').unwrap().1;
        WebhookKeyHash { hash: Sha256::digest(secret).to_vec(), expire_time: None }
    }
}
