//! A transaction inside one tenant.

use std::fmt;
use std::ops::{Deref, DerefMut};

use kernel::TenantId;
use sqlx::{PgConnection, Postgres, Transaction};

use super::Database;

/// A transaction that sees the rows of one tenant. Rolled back when it is dropped without [`TenantTx::commit`].
///
/// `&mut *tx` is a [`PgConnection`] to run queries on.
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    tenant: TenantId,
    schema: &'static str,
    after_commit: Vec<Box<dyn FnOnce() + Send + Sync>>,
}

impl TenantTx {
    pub(super) fn new(tx: Transaction<'static, Postgres>, tenant: TenantId, schema: &'static str) -> Self {
        Self { tx, tenant, schema, after_commit: Vec::new() }
    }

    /// The tenant whose rows are visible.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// From now on the transaction sees the rows of `tenant` and no others: for what concerns two tenants and holds for both or for
    /// neither. Which other tenant that is follows from a row of the one before. Turn back before anything else is done, also when
    /// what was done in between failed.
    ///
    /// # Errors
    /// When the connection broke, or an earlier statement failed: then nothing of the transaction will be kept.
    pub async fn turn_to(&mut self, tenant: TenantId) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT set_config('tsunagi.tenant', $1, true)")
            .bind(tenant.to_string())
            .execute(&mut *self.tx)
            .await?;
        self.tenant = tenant;
        Ok(())
    }

    /// Whether the rows are the platform's own ([`Database::platform`]).
    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.tenant == Database::platform_tenant()
    }

    /// The service's schema.
    #[must_use]
    pub fn schema(&self) -> &'static str {
        self.schema
    }

    /// Has `wake` called once the transaction is committed; never when it is not. For wake-ups that may get lost, not for
    /// work that must be done: the process may end in between.
    pub fn after_commit(&mut self, wake: impl FnOnce() + Send + Sync + 'static) {
        self.after_commit.push(Box::new(wake));
    }

    /// Commits.
    ///
    /// # Errors
    /// When the commit failed, or when its outcome is unknown because the connection broke.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.tx.commit().await?;
        self.after_commit.into_iter().for_each(|wake| wake());
        Ok(())
    }

    /// Rolls back now, instead of when the connection is used next.
    ///
    /// # Errors
    /// When the connection broke; the server has rolled back then, too.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.tx.rollback().await
    }
}

impl Deref for TenantTx {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.tx
    }
}

impl DerefMut for TenantTx {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

impl fmt::Debug for TenantTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx").field("tenant", &self.tenant).field("schema", &self.schema).finish_non_exhaustive()
    }
}
