//! Which version of each message's schedule was heard of last.

use chassis::postgres::{Database, TenantTx};
use kernel::MessageId;

/// How long a version is remembered after it was heard of, in days: longer than any event comes again.
const KEPT_DAYS: i32 = 30;
/// Rows removed in one statement.
const BATCH: i64 = 2_000;

/// Notes that this version was heard of; whether it is newer than any before.
pub(crate) async fn hear(tx: &mut TenantTx, message: MessageId, generation: i64) -> Result<bool, sqlx::Error> {
    let newer: Option<bool> = sqlx::query_scalar(
        "INSERT INTO scheduler.message_schedule AS m (tenant_id, message_id, generation) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, message_id) DO UPDATE SET generation = excluded.generation, heard_at = now()
         WHERE m.generation < excluded.generation
         RETURNING true",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .bind(generation)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(newer.unwrap_or(false))
}

/// Forgets some that were heard of long ago. Whether there may be more.
pub(crate) async fn prune(database: &Database) -> Result<bool, sqlx::Error> {
    // The time once more beside the place: one whose next version is heard of at this moment stays.
    let pruned = sqlx::query(
        "DELETE FROM scheduler.message_schedule WHERE heard_at < now() - make_interval(days => $1) AND ctid = ANY (ARRAY(
             SELECT ctid FROM scheduler.message_schedule
             WHERE heard_at < now() - make_interval(days => $1) ORDER BY heard_at LIMIT $2))",
    )
    .bind(KEPT_DAYS)
    .bind(BATCH)
    .execute(database.worker())
    .await?;
    Ok(pruned.rows_affected() > 0)
}
