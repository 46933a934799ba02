//! Writing what identity-linking says about principals and staff. The highest version wins, so order and repetition do not
//! matter.

use contracts::events::v1::{PrincipalReplica, StaffReplica};
use kernel::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::postgres::{Database, TenantTx};

/// A replica that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// A field is not what the proto file says.
    #[error("{0} of a replica is malformed")]
    Malformed(&'static str),
    /// The database is away or refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Keeps `replica` unless a newer version is kept already; tells whether it was. `connection` is one of the worker pool's,
/// or a transaction of the principal's tenant ([`Database::platform`] for principals of the platform).
///
/// # Errors
/// See [`ReplicaError`].
pub async fn put_principal(
    connection: &mut PgConnection,
    schema: &'static str,
    replica: &PrincipalReplica,
) -> Result<bool, ReplicaError> {
    let tenant = if replica.tenant_id.is_empty() {
        Database::platform_tenant().uuid()
    } else {
        uuid(&replica.tenant_id, "tenant_id")?
    };
    if replica.token_hash.len() != 32 {
        return Err(ReplicaError::Malformed("token_hash"));
    }
    let (key_ids, keys): (Vec<&str>, Vec<&[u8]>) =
        replica.assertion_keys.iter().map(|key| (key.key_id.as_str(), key.public_key.as_slice())).unzip();
    let put = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {schema}.principal_replica AS kept
             (tenant_id, principal_id, version, token_hash, rights, methods, assertion_key_ids, assertion_keys,
              revoked_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (tenant_id, principal_id) DO UPDATE SET
             version = excluded.version, token_hash = excluded.token_hash, rights = excluded.rights,
             methods = excluded.methods, assertion_key_ids = excluded.assertion_key_ids,
             assertion_keys = excluded.assertion_keys, revoked_at = excluded.revoked_at,
             expires_at = excluded.expires_at, changed = pg_current_xact_id()
         WHERE kept.version < excluded.version"
    )))
    .bind(tenant)
    .bind(uuid(&replica.principal_id, "principal_id")?)
    .bind(replica.version)
    .bind(&replica.token_hash)
    .bind(&replica.rights)
    .bind(&replica.methods)
    .bind(key_ids)
    .bind(keys)
    .bind(moment(replica.revoke_time.as_ref(), "revoke_time")?)
    .bind(moment(replica.expire_time.as_ref(), "expire_time")?)
    .execute(connection)
    .await?;
    Ok(put.rows_affected() == 1)
}

/// Keeps `replica` in the transaction's tenant unless a newer version is kept already; tells whether it was.
///
/// # Errors
/// See [`ReplicaError`].
pub async fn put_staff(tx: &mut TenantTx, replica: &StaffReplica) -> Result<bool, ReplicaError> {
    let organizations: Result<Vec<Uuid>, _> =
        replica.organization_ids.iter().map(|id| uuid(id, "organization_ids")).collect();
    let put = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {}.staff_replica AS kept
             (tenant_id, staff_id, version, display_name, organization_ids, rights, administrator, active)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (tenant_id, staff_id) DO UPDATE SET
             version = excluded.version, display_name = excluded.display_name,
             organization_ids = excluded.organization_ids, rights = excluded.rights,
             administrator = excluded.administrator, active = excluded.active, changed = pg_current_xact_id()
         WHERE kept.version < excluded.version",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(uuid(&replica.staff_id, "staff_id")?)
    .bind(replica.version)
    .bind(&replica.display_name)
    .bind(organizations?)
    .bind(&replica.rights)
    .bind(replica.administrator)
    .bind(replica.active)
    .execute(&mut **tx)
    .await?;
    Ok(put.rows_affected() == 1)
}

fn uuid(text: &str, field: &'static str) -> Result<Uuid, ReplicaError> {
    Uuid::try_parse(text).map_err(|_| ReplicaError::Malformed(field))
}

fn moment(wire: Option<&prost_types::Timestamp>, field: &'static str) -> Result<Option<Timestamp>, ReplicaError> {
    wire.map(|wire| contracts::to_timestamp(wire).ok_or(ReplicaError::Malformed(field))).transpose()
}
