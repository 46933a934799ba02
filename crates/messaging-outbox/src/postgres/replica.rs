//! Replicas of what identity-linking says of tenants, accounts and LINE users: the highest version wins, so order and repetition do not matter.

use chassis::postgres::TenantTx;
use contracts::events::v1::{
    AccountPurpose, AccountReplica, AccountState, FriendshipReplica, FriendshipState, LineUserReplica, TenantReplica,
};
use kernel::Timestamp;
use uuid::Uuid;

/// `account_replica.purpose` of an account for customers.
const FOR_CUSTOMERS: i16 = 1;
/// The same of a staff account, whosever staff it is for.
pub(super) const FOR_STAFF: i16 = 2;

/// Whether the account of this state is connected: not merely registered, not paused.
pub(crate) fn is_connected(state: Option<i16>) -> bool {
    state.is_some_and(|state| AccountState::try_from(i32::from(state)) == Ok(AccountState::Connected))
}

/// Whether a friendship of this state is one that the LINE user blocked.
pub(crate) fn is_blocked(state: Option<i16>) -> bool {
    state.is_some_and(|state| FriendshipState::try_from(i32::from(state)) == Ok(FriendshipState::Blocked))
}

pub(crate) async fn put_tenant(tx: &mut TenantTx, replica: &TenantReplica) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.tenant_replica AS t (tenant_id, version, time_zone, suspended, line_tab_close_time)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id) DO UPDATE
         SET version = excluded.version, time_zone = excluded.time_zone, suspended = excluded.suspended,
             line_tab_close_time = excluded.line_tab_close_time
         -- The same version too: a snapshot may say more of it than an event that an older release heard.
         WHERE t.version <= excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(replica.version)
    .bind(text(&replica.time_zone))
    .bind(replica.suspended)
    .bind(replica.line_tab_close_time.as_ref().and_then(contracts::to_timestamp))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether the transaction's tenant is suspended; one that was not heard of is not.
pub(crate) async fn is_suspended(tx: &mut TenantTx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM messaging.tenant_replica WHERE tenant_id = $1 AND suspended)")
        .bind(tx.tenant().uuid())
        .fetch_one(&mut **tx)
        .await
}

/// From when the plan of the transaction's tenant closes customers' LINE tabs; none: it does not.
pub(crate) async fn line_tab_close_time(tx: &mut TenantTx) -> Result<Option<Timestamp>, sqlx::Error> {
    let row: Option<Option<Timestamp>> =
        sqlx::query_scalar("SELECT line_tab_close_time FROM messaging.tenant_replica WHERE tenant_id = $1")
            .bind(tx.tenant().uuid())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(row.flatten())
}

/// The IDs of an account, parsed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountIds {
    pub(crate) account: Uuid,
    pub(crate) provider: Uuid,
    /// The organization that owns it.
    pub(crate) owner: Option<Uuid>,
    /// The organization its new friends belong to.
    pub(crate) default: Option<Uuid>,
}

/// Keeps the account; tells whether that may have changed whose its conversations are.
pub(crate) async fn put_account(
    tx: &mut TenantTx,
    ids: AccountIds,
    replica: &AccountReplica,
) -> Result<bool, sqlx::Error> {
    // Locked, so that of two versions at once the later one sees what the earlier one changed.
    let before: Option<(Uuid, Option<Uuid>, Option<Uuid>)> = sqlx::query_as(
        "SELECT provider_id, owner_organization_id, default_organization_id FROM messaging.account_replica
         WHERE tenant_id = $1 AND account_id = $2 FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.account)
    .fetch_optional(&mut **tx)
    .await?;
    let credential = replica.credential.as_ref();
    let material = credential.and_then(|credential| credential.material.as_ref());
    let put = sqlx::query(
        "INSERT INTO messaging.account_replica AS a (tenant_id, account_id, version, provider_id, channel_id, display_name,
             state, credential_kind, credential_material, credential_seal_key_id, credential_key_id, purpose,
             owner_organization_id, default_organization_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET version = excluded.version, provider_id = excluded.provider_id, channel_id = excluded.channel_id,
             display_name = excluded.display_name, state = excluded.state, credential_kind = excluded.credential_kind,
             credential_material = excluded.credential_material,
             credential_seal_key_id = excluded.credential_seal_key_id, credential_key_id = excluded.credential_key_id,
             purpose = excluded.purpose, owner_organization_id = excluded.owner_organization_id,
             default_organization_id = excluded.default_organization_id
         WHERE a.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.account)
    .bind(replica.version)
    .bind(ids.provider)
    .bind(text(&replica.channel_id))
    .bind(text(&replica.display_name))
    .bind(i16::try_from(replica.state).unwrap_or_default())
    .bind(credential.map_or(0, |credential| i16::try_from(credential.kind).unwrap_or_default()))
    .bind(material.map(|material| material.ciphertext.as_slice()).unwrap_or_default())
    .bind(material.map(|material| text(&material.key_id)).unwrap_or_default())
    .bind(credential.map(|credential| text(&credential.key_id)).unwrap_or_default())
    .bind(match replica.purpose() {
        AccountPurpose::Staff | AccountPurpose::SharedStaff => FOR_STAFF,
        AccountPurpose::Customers | AccountPurpose::Unspecified => FOR_CUSTOMERS,
    })
    .bind(ids.owner)
    .bind(ids.default)
    .execute(&mut **tx)
    .await?;
    Ok(put.rows_affected() > 0 && before != Some((ids.provider, ids.owner, ids.default)))
}

pub(crate) async fn put_line_user(
    tx: &mut TenantTx,
    provider: Uuid,
    replica: &LineUserReplica,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.line_user_replica AS u (tenant_id, provider_id, line_user_id, version, display_name, picture_url)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, provider_id, line_user_id) DO UPDATE
         SET version = excluded.version, display_name = excluded.display_name, picture_url = excluded.picture_url
         WHERE u.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(provider)
    .bind(text(&replica.line_user_id))
    .bind(replica.version)
    .bind(text(&replica.display_name))
    .bind(text(&replica.picture_url))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn put_friendship(
    tx: &mut TenantTx,
    account: Uuid,
    replica: &FriendshipReplica,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.friendship_replica AS f (tenant_id, account_id, line_user_id, version, state, state_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, account_id, line_user_id) DO UPDATE
         SET version = excluded.version, state = excluded.state, state_time = excluded.state_time
         WHERE f.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(account)
    .bind(text(&replica.line_user_id))
    .bind(replica.version)
    .bind(i16::try_from(replica.state).unwrap_or_default())
    .bind(replica.state_time.as_ref().and_then(contracts::to_timestamp))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Postgres keeps no U+0000 in a text; a name may hold one.
pub(super) fn text(value: &str) -> String {
    value.replace('\0', "")
}
