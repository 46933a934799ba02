//! Official accounts as the sender and the gateway need them.

use chassis::postgres::TenantTx;
use contracts::events::v1::{AccountState, ChannelCredentialKind};
use kernel::{AccountId, TenantId};
use sqlx::Row as _;
use uuid::Uuid;

use super::replica::{self, FOR_STAFF};
use super::staff_account_share;

/// An account of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AccountKey {
    pub(crate) tenant: TenantId,
    pub(crate) account: AccountId,
}

/// An account and how to get channel access tokens for it. The material is sealed.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    /// The tenant that has it. Others may have a share in it, for their staff.
    pub(crate) home: TenantId,
    pub(crate) channel_id: String,
    pub(crate) state: AccountState,
    pub(crate) credential: ChannelCredentialKind,
    pub(crate) sealed_material: Vec<u8>,
    pub(crate) assertion_key_id: String,
    /// A tenant is suspended, the one that has it or the one it is to be used for: nothing is sent.
    pub(crate) tenant_suspended: bool,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Account {
    /// By what everything is kept that belongs to the account, whoever uses it: its tokens, its quota.
    pub(crate) fn key(&self) -> AccountKey {
        AccountKey { tenant: self.home, account: self.id }
    }

    /// Whether the sender may send for it.
    pub(crate) fn may_send(&self) -> bool {
        self.state == AccountState::Connected && !self.tenant_suspended
    }
}

/// Whether the transaction's tenant has every one of these accounts.
pub(crate) async fn all_known(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM unnest($2::uuid[]) AS asked (id) WHERE NOT EXISTS (
             SELECT FROM messaging.account_replica a WHERE a.tenant_id = $1 AND a.account_id = asked.id))",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .fetch_one(&mut **tx)
    .await
}

/// Those of `accounts` that are for staff.
pub(crate) async fn for_staff(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<Vec<AccountId>, sqlx::Error> {
    let found: Vec<Uuid> = sqlx::query_scalar(
        "SELECT account_id FROM messaging.account_replica
         WHERE tenant_id = $1 AND account_id = ANY ($2) AND purpose = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .bind(FOR_STAFF)
    .fetch_all(&mut **tx)
    .await?;
    Ok(found.into_iter().map(AccountId::from).collect())
}

/// Reads an account of the transaction's tenant.
pub(crate) async fn read(tx: &mut TenantTx, account: AccountId) -> Result<Option<Account>, sqlx::Error> {
    Ok(read_all(tx, &[account.uuid()]).await?.pop())
}

/// Reads those of `accounts` that the transaction's tenant has, in any order.
pub(crate) async fn read_all(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<Vec<Account>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT a.account_id, a.channel_id, a.state, a.credential_kind, a.credential_material, a.credential_key_id,
             coalesce(t.suspended, false) AS suspended
         FROM messaging.account_replica a LEFT JOIN messaging.tenant_replica t USING (tenant_id)
         WHERE a.tenant_id = $1 AND a.account_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| account(tx.tenant(), row)).collect()
}

/// Reads those of `accounts` that are another tenant's and that the transaction's tenant uses by its share in them.
pub(crate) async fn read_shared(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<Vec<Account>, sqlx::Error> {
    let mut found = Vec::new();
    for share in staff_account_share::of(tx, accounts).await?.into_iter().filter(|share| share.used) {
        let suspended = replica::is_suspended(tx).await?;
        let guest = tx.tenant();
        tx.turn_to(share.home).await?;
        let account = read(tx, share.account).await;
        tx.turn_to(guest).await?;
        found.extend(
            account?.map(|account| Account { tenant_suspended: account.tenant_suspended || suspended, ..account }),
        );
    }
    Ok(found)
}

fn account(home: TenantId, row: &sqlx::postgres::PgRow) -> Result<Account, sqlx::Error> {
    let state: i16 = row.try_get("state")?;
    let credential: i16 = row.try_get("credential_kind")?;
    Ok(Account {
        id: row.try_get::<Uuid, _>("account_id")?.into(),
        home,
        channel_id: row.try_get("channel_id")?,
        state: AccountState::try_from(i32::from(state)).unwrap_or(AccountState::Unspecified),
        credential: ChannelCredentialKind::try_from(i32::from(credential))
            .unwrap_or(ChannelCredentialKind::Unspecified),
        sealed_material: row.try_get("credential_material")?,
        assertion_key_id: row.try_get("credential_key_id")?,
        tenant_suspended: row.try_get("suspended")?,
    })
}
