//! A tenant's share in a staff account of the operator's.

use chassis::postgres::TenantTx;
use identity_linking_core::staff::{PushLimit, ShareCode, ShareState, StaffShare};
use sqlx::postgres::PgRow;

use super::row;

/// A share as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredShare {
    /// Rises with every change, from 1.
    pub(crate) version: i64,
    /// The share.
    pub(crate) value: StaffShare,
}

/// How a row is held while it is read.
#[derive(Clone, Copy, Debug)]
enum Hold {
    Not,
    Shared,
    Alone,
}

fn stored(row: &PgRow) -> Result<StoredShare, sqlx::Error> {
    let limit = PushLimit::new(row::get(row, "monthly_push_limit")?);
    Ok(StoredShare {
        version: row::get(row, "version")?,
        value: StaffShare {
            home: row::id(row, "home_tenant_id")?,
            account: row::id(row, "account_id")?,
            code: row::word(row, "code", ShareCode::named)?,
            push_limit: limit.map_err(|error| row::damaged("monthly_push_limit", error))?,
            state: row::word(row, "state", ShareState::named)?,
        },
    })
}

async fn read(tx: &mut TenantTx, hold: Hold) -> Result<Option<StoredShare>, sqlx::Error> {
    let query = match hold {
        Hold::Not => "SELECT * FROM identity.staff_account_share WHERE tenant_id = $1",
        Hold::Shared => "SELECT * FROM identity.staff_account_share WHERE tenant_id = $1 FOR SHARE",
        Hold::Alone => "SELECT * FROM identity.staff_account_share WHERE tenant_id = $1 FOR NO KEY UPDATE",
    };
    let row = sqlx::query(query).bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(stored).transpose()
}

/// The share of the transaction's tenant.
pub(crate) async fn find(tx: &mut TenantTx) -> Result<Option<StoredShare>, sqlx::Error> {
    read(tx, Hold::Not).await
}

/// The same, which stays as it is until the transaction ends.
pub(crate) async fn hold(tx: &mut TenantTx) -> Result<Option<StoredShare>, sqlx::Error> {
    read(tx, Hold::Shared).await
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<Option<StoredShare>, sqlx::Error> {
    read(tx, Hold::Alone).await
}

/// Keeps the share's new version.
pub(crate) async fn put(tx: &mut TenantTx, share: &StoredShare) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.staff_account_share
             (tenant_id, version, home_tenant_id, account_id, code, monthly_push_limit, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id) DO UPDATE
         SET version = excluded.version, home_tenant_id = excluded.home_tenant_id, account_id = excluded.account_id,
             code = excluded.code, monthly_push_limit = excluded.monthly_push_limit, state = excluded.state",
    )
    .bind(tx.tenant().uuid())
    .bind(share.version)
    .bind(share.value.home.uuid())
    .bind(share.value.account.uuid())
    .bind(share.value.code.as_str())
    .bind(share.value.push_limit.number())
    .bind(share.value.state.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
