//! The accounts in memory.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chassis::Gate;
use chassis::postgres::Database;
use chassis::seal::PrivateKey;
use webhook_ingest_core::Accounts;

use super::{material, table};

/// How often changes are looked for.
const EVERY: Duration = Duration::from_millis(500);

/// The accounts this replica knows. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<RwLock<Accounts>>);

impl Known {
    /// Looks something up; nothing waits meanwhile but a change.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Accounts) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the table for ever; opens `gate` once it was read whole.
    pub(crate) async fn follow(self, database: Database, key: PrivateKey, gate: Gate) {
        let (mut since, mut told) = (0, false);
        loop {
            match table::changes(&database, since).await {
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
            self.0.write().unwrap_or_else(PoisonError::into_inner).put(account);
        }
        if !changed.is_empty() {
            #[expect(clippy::cast_precision_loss, reason = "a number of accounts")]
            metrics::gauge!("tsunagi_ingest_accounts").set(self.read(Accounts::len) as f64);
        }
    }
}
