//! Secrets and keys that were current once and are still valid: each until its own time, so many at most.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use identity_linking_core::account::FORMER;
use kernel::AccountId;
use sqlx::AssertSqlSafe;

/// A table of what an account has one current of. `expire_time` is when a former one ends; the current one has none. Times go
/// by the database's clock.
pub(super) struct Formers {
    /// With its schema.
    pub(super) table: &'static str,
    /// Tells an account's rows apart.
    pub(super) id: &'static str,
}

impl Formers {
    /// Makes room for the next current one: the last stays for `keep` from now, those before it until their own time; with no
    /// time left all of them end.
    pub(super) async fn retire(
        &self,
        tx: &mut TenantTx,
        account: AccountId,
        keep: TimeDelta,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "UPDATE {} SET expire_time = now() + $3 * interval '1 second'
             WHERE tenant_id = $1 AND account_id = $2 AND (expire_time IS NULL OR $3 = 0)",
            self.table
        )))
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .bind(keep.as_seconds_f64())
        .execute(&mut **tx)
        .await?;
        self.drop_expired(tx, account).await?;
        let Self { table, id } = self;
        sqlx::query(AssertSqlSafe(format!(
            "DELETE FROM {table} WHERE tenant_id = $1 AND account_id = $2 AND {id} IN (
                 SELECT {id} FROM {table} WHERE tenant_id = $1 AND account_id = $2 AND expire_time IS NOT NULL
                 ORDER BY expire_time DESC OFFSET $3)"
        )))
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .bind(FORMER)
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    /// Drops those whose time has ended; how many.
    pub(super) async fn drop_expired(&self, tx: &mut TenantTx, account: AccountId) -> Result<u64, sqlx::Error> {
        let dropped = sqlx::query(AssertSqlSafe(format!(
            "DELETE FROM {} WHERE tenant_id = $1 AND account_id = $2 AND expire_time <= now()",
            self.table
        )))
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .execute(&mut **tx)
        .await?;
        Ok(dropped.rows_affected())
    }
}
