//! Reading the replica tables: what changed since the last look, in whatever order transactions committed.
//!
//! Rows carry the transaction that wrote them. A look remembers the oldest transaction that was still running; everything
//! older was finished and seen, so the next look begins there and misses nothing.

use std::sync::Arc;

use kernel::{OrganizationId, StaffId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;

use super::ActingStaff;
use super::assertion::AssertionKey;
use super::decide::{Known, Principal, StaffMember};
use crate::postgres::Database;

/// Where a look begins: a transaction ID of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Since(u64);

impl Since {
    pub(super) fn beginning() -> Self {
        Self(0)
    }
}

/// What a look found.
pub(super) struct Changes {
    pub(super) known: Known,
    /// Whether `known` is everything there is.
    pub(super) everything: bool,
    pub(super) next: Since,
}

/// Looks for changes.
pub(super) async fn changes(database: &Database, since: &Since) -> Result<Changes, sqlx::Error> {
    let oldest_running: String =
        sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetch_one(database.worker()).await?;
    let next = Since(oldest_running.parse().unwrap_or(0));
    // A database that was restored from a backup counts from further back.
    let since = if next < *since { Since::beginning() } else { *since };
    let mut known = Known::default();
    principals(database, since, &mut known).await?;
    for tenant in tenants_with_changed_staff(database, since).await? {
        staff(database, tenant, since, &mut known).await?;
    }
    Ok(Changes { known, everything: since == Since::beginning(), next })
}

async fn principals(database: &Database, since: Since, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT tenant_id, principal_id, token_hash, rights, methods, assertion_key_ids, assertion_keys, revoked_at,
                expires_at
         FROM {}.principal_replica WHERE changed >= $1::text::xid8",
        database.schema()
    )))
    .bind(since.0.to_string())
    .fetch_all(database.worker())
    .await?;
    for row in rows {
        let tenant = Some(row.try_get::<Uuid, _>("tenant_id")?).filter(|tenant| !tenant.is_nil()).map(TenantId::from);
        let id = row.try_get::<Uuid, _>("principal_id")?.into();
        known.principals.insert((tenant, id), Arc::new(principal(&row)?));
    }
    Ok(())
}

fn principal(row: &PgRow) -> Result<Principal, sqlx::Error> {
    let ids: Vec<String> = row.try_get("assertion_key_ids")?;
    let keys: Vec<Vec<u8>> = row.try_get("assertion_keys")?;
    // A key of another length can sign nothing.
    let keys =
        ids.into_iter().zip(keys).filter_map(|(id, key)| Some(AssertionKey { id, public: key.try_into().ok()? }));
    Ok(Principal {
        token_hash: row.try_get("token_hash")?,
        rights: row.try_get::<Vec<i32>, _>("rights")?.into_iter().collect(),
        methods: row.try_get::<Vec<String>, _>("methods")?.into_iter().collect(),
        keys: keys.collect(),
        revoked_at: row.try_get("revoked_at")?,
        expires_at: row.try_get("expires_at")?,
    })
}

async fn tenants_with_changed_staff(database: &Database, since: Since) -> Result<Vec<TenantId>, sqlx::Error> {
    let tenants: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT DISTINCT tenant_id FROM {}.staff_replica WHERE changed >= $1::text::xid8",
        database.schema()
    )))
    .bind(since.0.to_string())
    .fetch_all(database.worker())
    .await?;
    Ok(tenants.into_iter().map(TenantId::from).collect())
}

/// Names are personal data, so they are read under their tenant.
async fn staff(database: &Database, tenant: TenantId, since: Since, known: &mut Known) -> Result<(), sqlx::Error> {
    let mut tx = database.tenant(tenant).await?;
    let rows = sqlx::query(AssertSqlSafe(format!(
        "SELECT staff_id, display_name, organization_ids, rights, administrator, active
         FROM {}.staff_replica WHERE tenant_id = $1 AND changed >= $2::text::xid8",
        database.schema()
    )))
    .bind(tenant.uuid())
    .bind(since.0.to_string())
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    for row in rows {
        let id = StaffId::from(row.try_get::<Uuid, _>("staff_id")?);
        let organizations: Vec<Uuid> = row.try_get("organization_ids")?;
        let member = StaffMember {
            acting: ActingStaff {
                id,
                display_name: row.try_get("display_name")?,
                administrator: row.try_get("administrator")?,
                organization_ids: organizations.into_iter().map(OrganizationId::from).collect(),
            },
            rights: row.try_get::<Vec<i32>, _>("rights")?.into_iter().collect(),
            active: row.try_get("active")?,
        };
        known.staff.insert((tenant, id), Arc::new(member));
    }
    Ok(())
}
