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
    Ok(look_up(tx, account, Some(guest), None).await?.and_then(|(_, code)| ShareCode::named(&code)))
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
    Ok(look_up(tx, account, None, Some(code)).await?.map(|(guest, _)| guest.into()))
}

/// The tenant on an account that this is or that has this code, and its code there.
async fn look_up(
    tx: &mut TenantTx,
    account: AccountId,
    guest: Option<TenantId>,
    code: Option<&ShareCode>,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT guest_tenant_id, code FROM identity.staff_account_guest
         WHERE tenant_id = $1 AND account_id = $2 AND (guest_tenant_id = $3 OR code = $4)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(guest.map(TenantId::uuid))
    .bind(code.map(ShareCode::as_str))
    .fetch_optional(&mut **tx)
    .await
}
