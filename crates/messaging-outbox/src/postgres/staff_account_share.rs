//! A tenant's share in a staff account of the operator's, and how much of it is used.

use chassis::postgres::TenantTx;
use contracts::events::v1::StaffAccountShareReplica;
use kernel::{AccountId, TenantId};
use messaging_outbox_core::quota::QuotaMonth;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::replica::text;

/// A share.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) account: AccountId,
    /// The tenant that has the account.
    pub(crate) home: TenantId,
    /// It is the staff account of the tenant that has the share.
    pub(crate) used: bool,
    /// Notices that may be pushed in a month.
    pub(crate) limit: i32,
    /// The name of the tenant that has the share.
    pub(crate) tenant_name: String,
}

fn share(row: &PgRow) -> Result<Share, sqlx::Error> {
    Ok(Share {
        account: row.try_get::<Uuid, _>("account_id")?.into(),
        home: row.try_get::<Uuid, _>("home_tenant_id")?.into(),
        used: row.try_get("used")?,
        limit: row.try_get("monthly_push_limit")?,
        tenant_name: row.try_get("tenant_display_name")?,
    })
}

/// The shares of the transaction's tenant in these accounts; accounts it has none in are left out.
pub(crate) async fn of(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<Vec<Share>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT account_id, home_tenant_id, used, monthly_push_limit, tenant_display_name
         FROM messaging.staff_account_share WHERE tenant_id = $1 AND account_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(share).collect()
}

/// Keeps a share; another one's row that is older is used no more. `account` and `home` are the replica's IDs, parsed.
pub(crate) async fn put(
    tx: &mut TenantTx,
    account: AccountId,
    home: TenantId,
    replica: &StaffAccountShareReplica,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.staff_account_share AS s
             (tenant_id, account_id, version, home_tenant_id, used, monthly_push_limit, tenant_display_name)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET version = excluded.version, home_tenant_id = excluded.home_tenant_id, used = excluded.used,
             monthly_push_limit = excluded.monthly_push_limit, tenant_display_name = excluded.tenant_display_name
         WHERE s.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(replica.version)
    .bind(home.uuid())
    .bind(replica.used)
    .bind(replica.monthly_push_limit)
    .bind(text(&replica.tenant_display_name))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "UPDATE messaging.staff_account_share SET used = false
         WHERE tenant_id = $1 AND account_id <> $2 AND version < $3 AND used",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(replica.version)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes so many pushes of a share's month, as far as there are; how many. Whoever takes some waits for who took some before.
pub(crate) async fn take(tx: &mut TenantTx, share: &Share, month: QuotaMonth, wanted: i32) -> Result<i32, sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.staff_account_use (tenant_id, account_id, month) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, account_id, month) DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(share.account.uuid())
    .bind(month.first_day())
    .execute(&mut **tx)
    .await?;
    let given: i32 = sqlx::query_scalar(
        "UPDATE messaging.staff_account_use u SET pushes = u.pushes + greatest(least($4, $5 - b.pushes), 0)
         FROM (SELECT pushes FROM messaging.staff_account_use
               WHERE tenant_id = $1 AND account_id = $2 AND month = $3 FOR NO KEY UPDATE) b
         WHERE u.tenant_id = $1 AND u.account_id = $2 AND u.month = $3
         RETURNING u.pushes - b.pushes",
    )
    .bind(tx.tenant().uuid())
    .bind(share.account.uuid())
    .bind(month.first_day())
    .bind(wanted)
    .bind(share.limit)
    .fetch_one(&mut **tx)
    .await?;
    Ok(given)
}
