//! In which tenants LINE users of a staff account of the operator's were bound, as its own tenant knows it.

use chassis::postgres::TenantTx;
use kernel::{AccountId, TenantId};
use line_types::id::UserId;
use uuid::Uuid;

/// Notes that a LINE user was bound in a tenant.
pub(crate) async fn insert_if_new(
    tx: &mut TenantTx,
    account: AccountId,
    user: &UserId,
    guest: TenantId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.staff_guest_binding (tenant_id, account_id, line_user_id, guest_tenant_id)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(user.as_str())
    .bind(guest.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The tenants in which a LINE user was bound, in the order of their IDs.
pub(crate) async fn of(tx: &mut TenantTx, account: AccountId, user: &UserId) -> Result<Vec<TenantId>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "SELECT guest_tenant_id FROM identity.staff_guest_binding
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = $3 ORDER BY guest_tenant_id",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(user.as_str())
    .fetch_all(&mut **tx)
    .await?;
    Ok(found.into_iter().map(TenantId::from).collect())
}
