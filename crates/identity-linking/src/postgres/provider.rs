//! Providers.

use chassis::postgres::TenantTx;
use identity_linking_core::Line;
use identity_linking_core::account::Provider;
use kernel::ProviderId;
use line_types::id::ChannelId;
use sqlx::postgres::PgRow;

use super::row::{self, Position, Stored};

type StoredProvider = Stored<ProviderId, Provider>;

fn stored(row: &PgRow) -> Result<StoredProvider, sqlx::Error> {
    let line_provider_id: Option<&str> = row::get(row, "line_provider_id")?;
    Ok(Stored {
        id: row::id(row, "provider_id")?,
        version: row::get(row, "version")?,
        create_time: row::get(row, "create_time")?,
        value: Provider {
            display_name: row::read(row, "display_name", Line::parse)?,
            line_provider_id: line_provider_id
                .map(ChannelId::parse)
                .transpose()
                .map_err(|error| row::damaged("line_provider_id", error))?,
        },
    })
}

/// Adds a provider.
pub(crate) async fn insert(tx: &mut TenantTx, provider: &StoredProvider) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.provider (tenant_id, provider_id, version, display_name, line_provider_id, create_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(provider.id.uuid())
    .bind(provider.version)
    .bind(provider.value.display_name.as_str())
    .bind(provider.value.line_provider_id.as_ref().map(ChannelId::as_str))
    .bind(provider.create_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps a provider's new version.
pub(crate) async fn update(tx: &mut TenantTx, provider: &StoredProvider) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.provider SET version = $3, display_name = $4, line_provider_id = $5
         WHERE tenant_id = $1 AND provider_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(provider.id.uuid())
    .bind(provider.version)
    .bind(provider.value.display_name.as_str())
    .bind(provider.value.line_provider_id.as_ref().map(ChannelId::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A provider.
pub(crate) async fn find(tx: &mut TenantTx, id: ProviderId) -> Result<Option<StoredProvider>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.provider WHERE tenant_id = $1 AND provider_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: ProviderId) -> Result<Option<StoredProvider>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM identity.provider WHERE tenant_id = $1 AND provider_id = $2 FOR NO KEY UPDATE")
            .bind(tx.tenant().uuid())
            .bind(id.uuid())
            .fetch_optional(&mut **tx)
            .await?;
    row.as_ref().map(stored).transpose()
}

/// At most `size` providers, oldest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredProvider>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT * FROM identity.provider
         WHERE tenant_id = $1 AND (create_time, provider_id) > (coalesce($2::timestamptz, '-infinity'), $3)
         ORDER BY create_time, provider_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
