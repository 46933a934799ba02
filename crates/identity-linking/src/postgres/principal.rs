//! Principals. Rows of the platform's own stand under the platform's tenant.

use chassis::postgres::TenantTx;
use identity_linking_core::Line;
use identity_linking_core::principal::{AssertionKey, KeyId, Owner, Principal};
use kernel::PrincipalId;
use sqlx::postgres::PgRow;

use super::row::{self, Position, Stored};
use super::staff::{rights, words};

/// A principal with the hash its token is checked by.
#[derive(Clone, Debug)]
pub(crate) struct StoredPrincipal {
    /// The principal.
    pub(crate) stored: Stored<PrincipalId, Principal>,
    /// SHA-256 of the token's secret part.
    pub(crate) token_hash: [u8; 32],
}

fn stored(owner: Owner, row: &PgRow) -> Result<StoredPrincipal, sqlx::Error> {
    let ids: Vec<String> = row::get(row, "key_ids")?;
    let keys: Vec<Vec<u8>> = row::get(row, "public_keys")?;
    let key = |(id, key): (String, Vec<u8>)| {
        KeyId::parse(&id).and_then(|id| AssertionKey::new(id, &key)).map_err(|error| row::damaged("public_keys", error))
    };
    let hash: Vec<u8> = row::get(row, "token_hash")?;
    Ok(StoredPrincipal {
        token_hash: hash.try_into().map_err(|_| row::damaged("token_hash", row::UnknownWord))?,
        stored: Stored {
            id: row::id(row, "principal_id")?,
            version: row::get(row, "version")?,
            create_time: row::get(row, "create_time")?,
            value: Principal {
                owner,
                display_name: row::read(row, "display_name", Line::parse)?,
                rights: rights(row)?,
                methods: row::get(row, "methods")?,
                expire_time: row::get(row, "expire_time")?,
                revoke_time: row::get(row, "revoke_time")?,
                assertion_keys: ids.into_iter().zip(keys).map(key).collect::<Result<_, _>>()?,
            },
        },
    })
}

fn owner(tx: &TenantTx) -> Owner {
    if tx.is_platform() { Owner::Platform } else { Owner::Tenant(tx.tenant()) }
}

/// Adds a principal without assertion keys.
pub(crate) async fn insert(tx: &mut TenantTx, principal: &StoredPrincipal) -> Result<(), sqlx::Error> {
    let StoredPrincipal { stored, token_hash } = principal;
    sqlx::query(
        "INSERT INTO identity.principal
             (tenant_id, principal_id, version, display_name, token_hash, rights, methods, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.version)
    .bind(stored.value.display_name.as_str())
    .bind(token_hash.as_slice())
    .bind(words(&stored.value.rights))
    .bind(&stored.value.methods)
    .bind(stored.create_time)
    .bind(stored.value.expire_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps a principal's new version: whether it is revoked, and its keys. Nothing else of it ever changes.
pub(crate) async fn update(tx: &mut TenantTx, principal: &StoredPrincipal) -> Result<(), sqlx::Error> {
    let stored = &principal.stored;
    sqlx::query(
        "UPDATE identity.principal SET version = $3, revoke_time = $4 WHERE tenant_id = $1 AND principal_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.version)
    .bind(stored.value.revoke_time)
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM identity.assertion_key WHERE tenant_id = $1 AND principal_id = $2")
        .bind(tx.tenant().uuid())
        .bind(stored.id.uuid())
        .execute(&mut **tx)
        .await?;
    let keys = &stored.value.assertion_keys;
    sqlx::query(
        "INSERT INTO identity.assertion_key (tenant_id, principal_id, key_id, public_key)
         SELECT $1, $2, unnest($3::text[]), unnest($4::bytea[])",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(keys.iter().map(|key| key.key_id.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|key| key.public_key.as_slice()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A principal, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: PrincipalId) -> Result<Option<StoredPrincipal>, sqlx::Error> {
    sqlx::query("SELECT FROM identity.principal WHERE tenant_id = $1 AND principal_id = $2 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    let row = sqlx::query(
        "SELECT p.*,
             ARRAY(SELECT k.key_id FROM identity.assertion_key k
                 WHERE k.tenant_id = p.tenant_id AND k.principal_id = p.principal_id ORDER BY k.key_id) AS key_ids,
             ARRAY(SELECT k.public_key FROM identity.assertion_key k
                 WHERE k.tenant_id = p.tenant_id AND k.principal_id = p.principal_id ORDER BY k.key_id) AS public_keys
         FROM identity.principal p WHERE p.tenant_id = $1 AND p.principal_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    let owner = owner(tx);
    row.as_ref().map(|row| stored(owner, row)).transpose()
}

/// At most `size` principals, oldest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredPrincipal>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT p.*,
             ARRAY(SELECT k.key_id FROM identity.assertion_key k
                 WHERE k.tenant_id = p.tenant_id AND k.principal_id = p.principal_id ORDER BY k.key_id) AS key_ids,
             ARRAY(SELECT k.public_key FROM identity.assertion_key k
                 WHERE k.tenant_id = p.tenant_id AND k.principal_id = p.principal_id ORDER BY k.key_id) AS public_keys
         FROM identity.principal p
         WHERE p.tenant_id = $1 AND (p.create_time, p.principal_id) > (coalesce($2::timestamptz, '-infinity'), $3)
         ORDER BY p.create_time, p.principal_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    let owner = owner(tx);
    rows.iter().map(|row| stored(owner, row)).collect()
}
