//! The accounts in memory.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chassis::Gate;
use chassis::envelope::EnvelopeError;
use chassis::postgres::Database;
use chassis::seal::PrivateKey;
use kernel::TenantId;
use tokio::sync::Notify;
use webhook_ingest_core::Accounts;

use super::{material, table};
use crate::vault::Vault;

/// How often changes are looked for.
const EVERY: Duration = Duration::from_millis(500);

/// The accounts this replica knows. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Known {
    accounts: Arc<RwLock<Accounts>>,
    changed: Arc<Notify>,
}

/// What changed, with the data keys it needs.
async fn changes(database: &Database, vault: &Vault, since: u64) -> Result<(Vec<table::Changed>, u64), EnvelopeError> {
    let (changed, next) = table::changes(database, since).await?;
    let tenants: Vec<TenantId> = changed.iter().map(|row| row.tenant).collect();
    vault.learn(database, &tenants).await?;
    Ok((changed, next))
}

impl Known {
    /// Looks something up; nothing waits meanwhile but a change.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Accounts) -> T) -> T {
        look(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until an account has changed since this was last waited for. For one to wait at a time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Follows the table for ever; opens `gate` once it was read whole. An account is known no sooner than its tenant's data key:
    /// its bodies can be kept from the first on.
    pub(crate) async fn follow(self, database: Database, key: PrivateKey, vault: Vault, gate: Gate) {
        let (mut since, mut told) = (0, false);
        loop {
            match changes(&database, &vault, since).await {
                Ok((changed, next)) => {
                    self.learn(&changed, &key);
                    (since, told) = (next, false);
                    gate.set(true);
                }
                Err(error) if !told => {
                    tracing::warn!(error = %error, "accounts are not read anew for now");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    fn learn(&self, changed: &[table::Changed], key: &PrivateKey) {
        for row in changed {
            let Ok(account) = material::opened(row.tenant, &row.material, key) else {
                tracing::error!(tenant = %row.tenant, "an account's replica cannot be read");
                continue;
            };
            self.accounts.write().unwrap_or_else(PoisonError::into_inner).put(account);
        }
        if !changed.is_empty() {
            self.changed.notify_one();
            #[expect(clippy::cast_precision_loss, reason = "a number of accounts")]
            metrics::gauge!("tsunagi_ingest_accounts").set(self.read(Accounts::len) as f64);
        }
    }
}
