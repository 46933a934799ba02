//! Which account a webhook key opens.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kernel::{AccountId, TenantId, Timestamp};
use line_types::signature::VerifyingKey;

use crate::key::{KeyHash, WebhookKey};

/// An official account as receiving its webhooks needs it: one version of it, whole.
pub struct Account {
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The account.
    pub id: AccountId,
    /// Rises with every change; the highest wins.
    pub version: i64,
    /// The bot's user ID, which LINE writes as `destination`; none while LINE has not confirmed it, when any will do.
    pub bot_user_id: Option<String>,
    /// The keys its webhook address has now: more than one during a rotation.
    pub keys: Vec<KeyGrant>,
    /// Its channel secrets, newest first: more than one during a rotation, none where this service holds none it can open.
    pub secrets: Vec<SecretGrant>,
}

/// One channel secret of an account.
#[derive(Clone, Debug)]
pub struct SecretGrant {
    /// What proves that a body was signed with it.
    pub key: VerifyingKey,
    /// From this moment on it proves nothing; none: not planned.
    pub expires: Option<Timestamp>,
}

/// One webhook key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    /// The hash of the key's secret part.
    pub hash: KeyHash,
    /// From this moment on it opens nothing; none: not planned.
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({} version {})", self.id, self.version)
    }
}

/// The accounts a replica of the service knows, in the order a request asks for them: by webhook key.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    by_id: HashMap<(TenantId, AccountId), Arc<Account>>,
    by_key: HashMap<KeyHash, Vec<Arc<Account>>>,
}

impl Accounts {
    /// Takes in a version of an account; an older one than is known changes nothing. Tells whether anything changed.
    pub fn put(&mut self, account: Account) -> bool {
        let id = (account.tenant, account.id);
        if self.by_id.get(&id).is_some_and(|known| known.version >= account.version) {
            return false;
        }
        let account = Arc::new(account);
        if let Some(before) = self.by_id.insert(id, Arc::clone(&account)) {
            for grant in &before.keys {
                if let Some(holders) = self.by_key.get_mut(&grant.hash) {
                    holders.retain(|holder| (holder.tenant, holder.id) != id);
                    if holders.is_empty() {
                        self.by_key.remove(&grant.hash);
                    }
                }
            }
        }
        for grant in &account.keys {
            self.by_key.entry(grant.hash).or_default().push(Arc::clone(&account));
        }
        true
    }

    /// The account that a key opens at `now`: of the tenant the key names, with a grant of that hash that has not expired.
    #[must_use]
    pub fn opened_by(&self, key: &WebhookKey, now: Timestamp) -> Option<&Arc<Account>> {
        let open = |grant: &KeyGrant| grant.hash == key.hash && grant.expires.is_none_or(|end| now < end);
        self.by_key.get(&key.hash)?.iter().find(|account| account.tenant == key.tenant && account.keys.iter().any(open))
    }

    /// The account of an ID, if it is known.
    #[must_use]
    pub fn get(&self, tenant: TenantId, id: AccountId) -> Option<&Arc<Account>> {
        self.by_id.get(&(tenant, id))
    }

    /// How many accounts are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether no account is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn account(tenant: u128, id: u128, version: i64, keys: &[(&str, Option<i64>)]) -> Account {
        let grant = |&(secret, expires): &(&str, Option<i64>)| KeyGrant {
            hash: KeyHash::of(secret),
            expires: expires.map(|seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)),
        };
        Account {
            tenant: Uuid::from_u128(tenant).into(),
            id: Uuid::from_u128(id).into(),
            version,
            bot_user_id: None,
            keys: keys.iter().map(grant).collect(),
            secrets: Vec::new(),
        }
    }

    fn key(tenant: u128, secret: &str) -> WebhookKey {
        WebhookKey { tenant: Uuid::from_u128(tenant).into(), hash: KeyHash::of(secret) }
    }

    fn opened(accounts: &Accounts, tenant: u128, secret: &str, at: i64) -> Option<(u128, i64)> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(at);
        accounts.opened_by(&key(tenant, secret), now).map(|account| (account.id.uuid().as_u128(), account.version))
    }

    #[test]
    fn during_a_rotation_both_keys_open_until_the_old_one_expires() {
        let mut accounts = Accounts::default();
        assert!(accounts.put(account(1, 7, 1, &[("new", None), ("old", Some(100))])));
        assert_eq!(opened(&accounts, 1, "old", 99), Some((7, 1)));
        assert_eq!(opened(&accounts, 1, "old", 100), None);
        assert_eq!(opened(&accounts, 1, "new", 100), Some((7, 1)));
        assert!(accounts.put(account(1, 7, 2, &[("new", None)])));
        assert_eq!(opened(&accounts, 1, "old", 0), None);
    }

    #[test]
    fn a_key_opens_nothing_of_another_tenant() {
        let mut accounts = Accounts::default();
        accounts.put(account(1, 7, 1, &[("secret", None)]));
        assert_eq!(opened(&accounts, 2, "secret", 0), None);
        // Not even when that tenant has an account with the very same secret.
        accounts.put(account(2, 8, 1, &[("secret", None)]));
        assert_eq!(opened(&accounts, 2, "secret", 0), Some((8, 1)));
        assert_eq!(opened(&accounts, 1, "secret", 0), Some((7, 1)));
    }

    proptest! {
        /// Versions arrive in any order and more than once; what is known is what the highest says.
        #[test]
        fn the_highest_version_wins_in_any_order(versions in prop::collection::vec((1i64..6, 0u8..2), 1..20)) {
            let mut accounts = Accounts::default();
            let secret = |version: i64| format!("secret of {version}");
            for &(version, id) in &versions {
                accounts.put(account(1, u128::from(id), version, &[(&secret(version), None)]));
            }
            for id in 0..2u8 {
                let highest = versions.iter().filter(|of| of.1 == id).map(|of| of.0).max();
                for version in 1..6 {
                    let holders = accounts.by_key.get(&KeyHash::of(&secret(version))).into_iter().flatten();
                    let found = holders.filter(|holder| holder.id.uuid().as_u128() == u128::from(id)).count();
                    prop_assert_eq!(found, usize::from(highest == Some(version)));
                }
            }
        }
    }
}
