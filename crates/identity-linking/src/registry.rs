//! What every part of the service works with.

use std::sync::Arc;

use chassis::auth::Caller;
use chassis::postgres::{Database, TenantTx};
use kernel::{Clock, Timestamp};

use crate::vault::Vault;

/// The database, the clock and the keys. Clones share them.
#[derive(Clone)]
pub(crate) struct Registry {
    /// The service's database.
    pub(crate) database: Database,
    /// What encrypts and seals secrets.
    pub(crate) vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
}

impl Registry {
    /// The registry over a database.
    pub(crate) fn new(database: Database, vault: Vault, clock: Arc<dyn Clock>) -> Self {
        Self { database, vault: Arc::new(vault), clock }
    }

    /// The present moment, as precise as the database keeps it.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// Begins a transaction in the tenant of a call.
    pub(crate) async fn tenant_of(&self, caller: &Caller) -> Result<TenantTx, sqlx::Error> {
        self.database.tenant(caller.tenant()).await
    }
}
