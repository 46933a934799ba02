//! Which tenants have a share in a staff account of the operator's, as its own tenant knows it: by the codes that name them there.

use chassis::postgres::TenantTx;
use identity_linking_core::staff::ShareCode;
use kernel::{AccountId, TenantId};
use uuid::Uuid;

/// The code of a tenant on an account; none: it has none yet.
pub(crate) async fn code_of(
    tx: &mut TenantTx,
    account: AccountId,
    guest: TenantId,
) -> Result<Option<ShareCode>, sqlx::Error> {
    let found: Option<String> = sqlx::query_scalar(
        "SELECT code FROM identity.staff_account_guest
         WHERE tenant_id = $1 AND account_id = $2 AND guest_tenant_id = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(guest.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.as_deref().and_then(ShareCode::named))
}

/// Gives a tenant a code on an account, unless it has one or another tenant has this one; whether it was given.
pub(crate) async fn insert_if_free(
    tx: &mut TenantTx,
    account: AccountId,
    guest: TenantId,
    code: &ShareCode,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO identity.staff_account_guest (tenant_id, account_id, guest_tenant_id, code)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(guest.uuid())
    .bind(code.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The tenant that a code names on an account.
pub(crate) async fn named(
    tx: &mut TenantTx,
    account: AccountId,
    code: &ShareCode,
) -> Result<Option<TenantId>, sqlx::Error> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT guest_tenant_id FROM identity.staff_account_guest
         WHERE tenant_id = $1 AND account_id = $2 AND code = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(code.as_str())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(TenantId::from))
}
