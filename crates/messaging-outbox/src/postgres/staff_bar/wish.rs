//! For whom something waits in the tenants that have a share in a staff account.

use std::collections::BTreeMap;

use chassis::postgres::TenantTx;
use kernel::{AccountId, TenantId};
use line_types::id::UserId;
use sqlx::Row as _;

/// Keeps for which LINE users of an account of the transaction's tenant something waits in another tenant, and that nobody else is
/// staff there; tells whether that was news.
pub(crate) async fn keep(
    tx: &mut TenantTx,
    account: AccountId,
    guest: TenantId,
    waits: &BTreeMap<UserId, bool>,
) -> Result<bool, sqlx::Error> {
    let changed: i64 = sqlx::query_scalar(
        "WITH gone AS (
             DELETE FROM messaging.staff_bar_wish
             WHERE tenant_id = $1 AND account_id = $2 AND guest_tenant_id = $3 AND line_user_id <> ALL ($4)
             RETURNING 1),
         kept AS (
             INSERT INTO messaging.staff_bar_wish AS w (tenant_id, account_id, guest_tenant_id, line_user_id, waits)
             SELECT $1, $2, $3, line_user_id, waits FROM unnest($4::text[], $5::bool[]) AS u (line_user_id, waits)
             ON CONFLICT (tenant_id, account_id, guest_tenant_id, line_user_id) DO UPDATE SET waits = excluded.waits
             WHERE w.waits <> excluded.waits
             RETURNING 1)
         SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM kept)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(guest.uuid())
    .bind(waits.keys().map(UserId::as_str).collect::<Vec<_>>())
    .bind(waits.values().copied().collect::<Vec<_>>())
    .fetch_one(&mut **tx)
    .await?;
    Ok(changed > 0)
}

/// For each LINE user of an account who is staff in some tenant with a share in it, whether anything waits in any of them.
pub(crate) async fn of(tx: &mut TenantTx, account: AccountId) -> Result<BTreeMap<UserId, bool>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT line_user_id, bool_or(waits) AS waits FROM messaging.staff_bar_wish
         WHERE tenant_id = $1 AND account_id = $2 GROUP BY line_user_id",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        if let Ok(user) = UserId::parse(row.try_get("line_user_id")?) {
            found.insert(user, row.try_get("waits")?);
        }
    }
    Ok(found)
}
