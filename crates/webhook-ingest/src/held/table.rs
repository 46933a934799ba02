//! The table of held bodies. What they hold is read and written inside their tenant; that they are there, by the worker.

use chassis::postgres::{Database, TenantTx};
use kernel::{AccountId, BodyId, TenantId, Timestamp, TraceParent};
use line_types::signature::Signature;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;
use webhook_ingest_core::{Account, Room};

use super::waiting::HeldBody;
use crate::commit::unsealed;
use crate::vault::Vault;

/// What is left for one account. Until the end of the transaction no other replica writes down bodies of this account.
pub(super) async fn room(tx: &mut TenantTx, account: AccountId) -> Result<Room, sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('ingest.held_body/' || $1::text, 0))")
        .bind(account.uuid())
        .execute(&mut **tx)
        .await?;
    let (bodies, bytes): (i64, i64) = sqlx::query_as(
        "SELECT count(*), coalesce(sum(octet_length(payload)), 0)::bigint FROM ingest.held_body
         WHERE tenant_id = $1 AND account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_one(&mut **tx)
    .await?;
    let whole = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Room::OF_ACCOUNT.beside(whole(bodies), whole(bytes)))
}

/// Writes bodies of one account down, encrypted.
pub(super) async fn insert(
    tx: &mut TenantTx,
    vault: &Vault,
    account: AccountId,
    bodies: &[&HeldBody],
) -> Result<(), sqlx::Error> {
    let sealed = |body: &&HeldBody| vault.seal(body.tenant, body.body, &body.payload).map_err(unsealed);
    let payloads: Vec<Vec<u8>> = bodies.iter().map(sealed).collect::<Result<_, _>>()?;
    sqlx::query(
        "INSERT INTO ingest.held_body (tenant_id, account_id, body_id, received_at, judged_version, signature, trace, payload)
         SELECT $1, $2, * FROM unnest($3::uuid[], $4::timestamptz[], $5::bigint[], $6::bytea[], $7::text[], $8::bytea[])
         ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(bodies.iter().map(|body| body.body.uuid()).collect::<Vec<Uuid>>())
    .bind(bodies.iter().map(|body| body.received_at).collect::<Vec<Timestamp>>())
    .bind(bodies.iter().map(|body| body.judged_version).collect::<Vec<i64>>())
    .bind(bodies.iter().map(|body| body.signature.as_bytes().as_slice()).collect::<Vec<&[u8]>>())
    .bind(bodies.iter().map(|body| body.trace.as_ref().map(TraceParent::as_str)).collect::<Vec<Option<&str>>>())
    .bind(payloads)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The accounts with bodies that were held by an older version of them.
pub(super) async fn changed_accounts(database: &Database) -> Result<Vec<(TenantId, AccountId)>, sqlx::Error> {
    let accounts: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT a.tenant_id, a.account_id
         FROM (SELECT tenant_id, account_id, min(judged_version) AS judged FROM ingest.held_body GROUP BY 1, 2) held
         JOIN ingest.account_replica a USING (tenant_id, account_id) WHERE held.judged < a.version",
    )
    .fetch_all(database.worker())
    .await?;
    Ok(accounts.into_iter().map(|(tenant, account)| (tenant.into(), account.into())).collect())
}

/// Up to `limit` of an account's bodies received since then that no secret of this version was tried on, in the order they came,
/// locked; those that another replica has in hand are left out.
pub(super) async fn unjudged(
    tx: &mut TenantTx,
    vault: &Vault,
    account: &Account,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<HeldBody>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT body_id, received_at, signature, trace, payload FROM ingest.held_body
         WHERE tenant_id = $1 AND account_id = $2 AND judged_version < $3 AND received_at > $4
         ORDER BY body_id LIMIT $5 FOR UPDATE SKIP LOCKED",
    )
    .bind(account.tenant.uuid())
    .bind(account.id.uuid())
    .bind(account.version)
    .bind(since)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    let body = |row: &PgRow| {
        let signature = Signature::from_bytes(row.try_get(2)?);
        let body = BodyId::from(row.try_get::<Uuid, _>(0)?);
        let sealed: &[u8] = row.try_get(4)?;
        Ok(HeldBody {
            tenant: account.tenant,
            account: account.id,
            judged_version: account.version,
            body,
            received_at: row.try_get(1)?,
            signature: signature.ok_or_else(|| sqlx::Error::Decode("not a signature".into()))?,
            trace: row.try_get::<Option<String>, _>(3)?.and_then(|trace| trace.parse().ok()),
            // What does not open is proved by nothing.
            payload: vault.open_known(account.tenant, body, sealed).unwrap_or_default(),
        })
    };
    rows.iter().map(body).collect()
}

/// Deletes bodies of an account that are stored now.
pub(super) async fn delete(tx: &mut TenantTx, account: &Account, bodies: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM ingest.held_body WHERE tenant_id = $1 AND account_id = $2 AND body_id = ANY ($3)")
        .bind(account.tenant.uuid())
        .bind(account.id.uuid())
        .bind(bodies)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes that this version's secrets did not prove these bodies either.
pub(super) async fn judged(tx: &mut TenantTx, account: &Account, bodies: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ingest.held_body SET judged_version = $4 WHERE tenant_id = $1 AND account_id = $2 AND body_id = ANY ($3)",
    )
    .bind(account.tenant.uuid())
    .bind(account.id.uuid())
    .bind(bodies)
    .bind(account.version)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes what was received before then; tells how many.
pub(super) async fn delete_before(database: &Database, moment: Timestamp) -> Result<u64, sqlx::Error> {
    let delete = sqlx::query("DELETE FROM ingest.held_body WHERE received_at <= $1").bind(moment);
    Ok(delete.execute(database.worker()).await?.rows_affected())
}
