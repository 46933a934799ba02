//! A repeated request gets the first answer again. Kept 7 days in `{schema}.request`.

use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, Row as _};
use subtle::ConstantTimeEq as _;
use tonic::Status;
use uuid::Uuid;

use crate::grpc::refuse;
use crate::postgres::{Database, TenantTx};

/// Rows removed in one statement.
const BATCH: i64 = 1_000;

/// What [`begin`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nobody sent this request ID to this method before: do the work, then call [`finish`] in the same transaction.
    First,
    /// It was done before, and this was the answer.
    Again(Vec<u8>),
}

/// Notes in the transaction that `request_id` (a UUID of the caller's choice) arrived at `method` with `body`, the encoded
/// request. A caller that repeats itself while the first call runs waits for it. An empty `request_id` is always the first.
///
/// # Errors
/// `INVALID_ARGUMENT` when it is not a UUID, `ABORTED` with `REQUEST_ID_REUSED` when it came with another body before.
pub async fn begin(tx: &mut TenantTx, method: &'static str, request_id: &str, body: &[u8]) -> Result<Begun, Status> {
    let Some(request_id) = parse(request_id)? else { return Ok(Begun::First) };
    let (schema, tenant) = (tx.schema(), tx.tenant().uuid());
    let hash = Sha256::digest(body);
    let inserted = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {schema}.request (tenant_id, method, request_id, body_hash) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING"
    )))
    .bind(tenant)
    .bind(method)
    .bind(request_id)
    .bind(hash.as_slice())
    .execute(&mut **tx)
    .await
    .map_err(refuse::database)?;
    if inserted.rows_affected() == 1 {
        return Ok(Begun::First);
    }
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT body_hash, response FROM {schema}.request WHERE tenant_id = $1 AND method = $2 AND request_id = $3"
    )))
    .bind(tenant)
    .bind(method)
    .bind(request_id)
    .fetch_one(&mut **tx)
    .await
    .map_err(refuse::database)?;
    let first_hash: Vec<u8> = row.try_get("body_hash").map_err(refuse::database)?;
    let response: Option<Vec<u8>> = row.try_get("response").map_err(refuse::database)?;
    if !bool::from(first_hash.ct_eq(&hash)) {
        return Err(refuse::aborted("REQUEST_ID_REUSED"));
    }
    Ok(Begun::Again(response.unwrap_or_default()))
}

/// Keeps the answer for repetitions, in the transaction that does the work.
///
/// # Errors
/// As [`begin`].
pub async fn finish(tx: &mut TenantTx, method: &'static str, request_id: &str, response: &[u8]) -> Result<(), Status> {
    let Some(request_id) = parse(request_id)? else { return Ok(()) };
    let (schema, tenant) = (tx.schema(), tx.tenant().uuid());
    sqlx::query(AssertSqlSafe(format!(
        "UPDATE {schema}.request SET response = $4 WHERE tenant_id = $1 AND method = $2 AND request_id = $3"
    )))
    .bind(tenant)
    .bind(method)
    .bind(request_id)
    .bind(response)
    .execute(&mut **tx)
    .await
    .map_err(refuse::database)?;
    Ok(())
}

fn parse(request_id: &str) -> Result<Option<Uuid>, Status> {
    if request_id.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(request_id).map(Some).map_err(|_| refuse::invalid("request_id", "is not a UUID"))
}

/// Removes what is older than 7 days, by the database's clock, over all tenants.
pub(crate) async fn forget_old(database: &Database) -> Result<(), sqlx::Error> {
    let schema = database.schema();
    let statement = format!(
        "DELETE FROM {schema}.request r USING (
             SELECT tenant_id, method, request_id FROM {schema}.request
             WHERE created_at < now() - interval '7 days' LIMIT $1
         ) old WHERE (r.tenant_id, r.method, r.request_id) = (old.tenant_id, old.method, old.request_id)"
    );
    loop {
        let deleted = sqlx::query(AssertSqlSafe(statement.clone())).bind(BATCH).execute(database.worker()).await?;
        if deleted.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}
