//! What decides whose things are (F-72), as `identity_linking_core::visibility` judges it: the organizations of customers, of those
//! LINE users are linked to, and of accounts' friends. A look-up for each ID, by primary key or a unique index.

use std::collections::HashMap;
use std::hash::Hash;

use chassis::postgres::TenantTx;
use identity_linking_core::visibility::friends_belong_to;
use kernel::{AccountId, CustomerId, FriendId, OrganizationId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row;

/// The organization of each; none: it has none.
pub(crate) type Organizations<I> = HashMap<I, Option<OrganizationId>>;

fn organizations<I: From<Uuid> + Eq + Hash>(rows: &[PgRow]) -> Result<Organizations<I>, sqlx::Error> {
    rows.iter().map(|row| Ok((row::id(row, "id")?, row::optional_id(row, "organization_id")?))).collect()
}

fn friends_of(row: &PgRow) -> Result<Option<OrganizationId>, sqlx::Error> {
    Ok(friends_belong_to(
        row::optional_id(row, "owner_organization_id")?,
        row::optional_id(row, "default_organization_id")?,
    ))
}

/// The organizations of customers.
pub(crate) async fn customers(tx: &mut TenantTx, ids: &[CustomerId]) -> Result<Organizations<CustomerId>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT k.id, c.organization_id FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL (
             SELECT organization_id FROM identity.customer WHERE tenant_id = $1 AND customer_id = k.id LIMIT 1) c",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    organizations(&rows)
}

/// The organizations of the customers that LINE users are linked to; who is linked to nobody is left out.
pub(crate) async fn linked(tx: &mut TenantTx, ids: &[FriendId]) -> Result<Organizations<FriendId>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT k.id, c.organization_id FROM unnest($2::uuid[]) AS k (id)
         CROSS JOIN LATERAL (
             SELECT customer_id FROM identity.link
             WHERE tenant_id = $1 AND friend_id = k.id AND end_time IS NULL LIMIT 1) l
         CROSS JOIN LATERAL (
             SELECT organization_id FROM identity.customer WHERE tenant_id = $1 AND customer_id = l.customer_id LIMIT 1) c",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    organizations(&rows)
}

/// The organizations that the friends of accounts belong to.
pub(crate) async fn friends(tx: &mut TenantTx, ids: &[AccountId]) -> Result<Organizations<AccountId>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT k.id, a.owner_organization_id, a.default_organization_id FROM unnest($2::uuid[]) AS k (id)
         CROSS JOIN LATERAL (
             SELECT owner_organization_id, default_organization_id FROM identity.official_account
             WHERE tenant_id = $1 AND account_id = k.id LIMIT 1) a",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((row::id(row, "id")?, friends_of(row)?))).collect()
}

/// The organizations that the friends of each account belong to that knows a LINE user.
pub(crate) async fn known_by(tx: &mut TenantTx, friend: FriendId) -> Result<Vec<Option<OrganizationId>>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT a.owner_organization_id, a.default_organization_id FROM identity.friendship f
         CROSS JOIN LATERAL (
             SELECT owner_organization_id, default_organization_id FROM identity.official_account
             WHERE tenant_id = $1 AND account_id = f.account_id LIMIT 1) a
         WHERE f.tenant_id = $1 AND f.friend_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(friends_of).collect()
}
