//! Secrets and keys that were current once and are still valid: each until its own time. Which they are, the core says.

use chassis::postgres::TenantTx;
use identity_linking_core::account::Valid;
use kernel::{AccountId, Timestamp};
use sqlx::postgres::PgHasArrayType;
use sqlx::{AssertSqlSafe, Encode, Postgres, Type};

/// A table of what an account has one current of. `expire_time` is when a former one ends; the current one has none. Times go
/// by the database's clock.
pub(super) struct Formers {
    /// With its schema.
    pub(super) table: &'static str,
    /// Tells an account's rows apart.
    pub(super) id: &'static str,
}

impl Formers {
    /// Leaves of an account's rows those that are valid, with their times; the current one first. Whether that one has a row yet.
    pub(super) async fn keep<I>(
        &self,
        tx: &mut TenantTx,
        account: AccountId,
        valid: &[Valid<I>],
    ) -> Result<bool, sqlx::Error>
    where
        I: Clone + Send + Sync + PgHasArrayType + Type<Postgres> + for<'q> Encode<'q, Postgres> + 'static,
    {
        let Self { table, id } = self;
        let ids: Vec<I> = valid.iter().map(|one| one.which.clone()).collect();
        let ends: Vec<Option<Timestamp>> = valid.iter().map(|one| one.end).collect();
        sqlx::query(AssertSqlSafe(format!(
            "DELETE FROM {table} WHERE tenant_id = $1 AND account_id = $2 AND NOT {id} = ANY ($3)"
        )))
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .bind(ids.clone())
        .execute(&mut **tx)
        .await?;
        // The former ones first: no two are current at once.
        let mut kept = 0;
        for current in [false, true] {
            let put = sqlx::query(AssertSqlSafe(format!(
                "UPDATE {table} t SET expire_time = v.expire_time
                 FROM unnest($3, $4::timestamptz[]) v (id, expire_time)
                 WHERE t.tenant_id = $1 AND t.account_id = $2 AND t.{id} = v.id AND (v.expire_time IS NULL) = $5"
            )))
            .bind(tx.tenant().uuid())
            .bind(account.uuid())
            .bind(ids.clone())
            .bind(ends.clone())
            .bind(current)
            .execute(&mut **tx)
            .await?;
            kept = put.rows_affected();
        }
        Ok(kept > 0)
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

/// The moment of the transaction, by the database's clock.
pub(crate) async fn now(tx: &mut TenantTx) -> Result<Timestamp, sqlx::Error> {
    sqlx::query_scalar("SELECT now()").fetch_one(&mut **tx).await
}
