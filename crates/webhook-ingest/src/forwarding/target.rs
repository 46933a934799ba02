//! Targets as their tenant sees and changes them.

use chassis::postgres::TenantTx;
use kernel::{AccountId, BodyId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;
use webhook_ingest_core::forwarding::health::Health;

/// How many bodies that wait are counted, at most.
const COUNTED: i64 = 10_000;

/// A target, and what waits for it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) id: Uuid,
    pub(super) account: Uuid,
    /// Encrypted: it may hold a secret.
    pub(super) sealed_url: Vec<u8>,
    pub(super) display_name: String,
    pub(super) version: i64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) pause_reason: Option<i16>,
    pub(super) paused_at: Option<Timestamp>,
    pub(super) health: Health,
    pub(super) last_success_at: Option<Timestamp>,
    pub(super) last_failure_at: Option<Timestamp>,
    pub(super) last_failure: Option<i16>,
    pub(super) delivered: i64,
    pub(super) erased: i64,
    pub(super) expired: i64,
    pub(super) refused: i64,
    pub(super) waiting: i64,
    pub(super) oldest: Option<BodyId>,
    /// When this was so.
    pub(super) now: Timestamp,
}

const TARGET: &str = "
SELECT t.target_id, t.account_id, t.url, t.display_name, t.version, t.created_at, t.updated_at, t.pause_reason, t.paused_at, t.failures,
    t.strikes, t.failing_since, t.next_try_at, t.last_success_at, t.last_failure_at, t.last_failure, t.delivered, t.erased, t.expired,
    t.refused,
    (SELECT count(*) FROM (SELECT FROM ingest.forwarding f
        WHERE f.tenant_id = t.tenant_id AND f.target_id = t.target_id AND f.sender = f.lead LIMIT $2) w),
    (SELECT f.body_id FROM ingest.forwarding f
        WHERE f.tenant_id = t.tenant_id AND f.target_id = t.target_id AND f.sender = f.lead ORDER BY f.body_id LIMIT 1), now()
FROM ingest.forwarding_target t WHERE t.tenant_id = $1";

fn target(row: &PgRow) -> Result<Target, sqlx::Error> {
    let count = |at| row.try_get::<i32, usize>(at).map(|count| u32::try_from(count).unwrap_or(0));
    Ok(Target {
        id: row.try_get(0)?,
        account: row.try_get(1)?,
        sealed_url: row.try_get(2)?,
        display_name: row.try_get(3)?,
        version: row.try_get(4)?,
        created_at: row.try_get(5)?,
        updated_at: row.try_get(6)?,
        pause_reason: row.try_get(7)?,
        paused_at: row.try_get(8)?,
        health: Health {
            failures: count(9)?,
            strikes: count(10)?,
            failing_since: row.try_get(11)?,
            next_try: row.try_get(12)?,
        },
        last_success_at: row.try_get(13)?,
        last_failure_at: row.try_get(14)?,
        last_failure: row.try_get(15)?,
        delivered: row.try_get(16)?,
        erased: row.try_get(17)?,
        expired: row.try_get(18)?,
        refused: row.try_get(19)?,
        waiting: row.try_get(20)?,
        oldest: row.try_get::<Option<Uuid>, _>(21)?.map(BodyId::from),
        now: row.try_get(22)?,
    })
}

/// How many targets the account has; until the end of the transaction nobody else counts them.
pub(super) async fn count(tx: &mut TenantTx, account: AccountId) -> Result<usize, sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('ingest.forwarding_target/' || $1::text, 0))")
        .bind(account.uuid())
        .execute(&mut **tx)
        .await?;
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM ingest.forwarding_target WHERE tenant_id = $1 AND account_id = $2")
            .bind(tx.tenant().uuid())
            .bind(account.uuid())
            .fetch_one(&mut **tx)
            .await?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Makes a target.
pub(super) async fn insert(
    tx: &mut TenantTx,
    id: Uuid,
    account: AccountId,
    sealed_url: &[u8],
    display_name: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO ingest.forwarding_target (tenant_id, target_id, account_id, url, display_name, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, now(), now())",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(account.uuid())
    .bind(sealed_url)
    .bind(display_name)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The target of an ID.
pub(super) async fn find(tx: &mut TenantTx, id: Uuid) -> Result<Option<Target>, sqlx::Error> {
    read(tx, id, "").await
}

/// The same, for a change: until the end of the transaction nobody else changes it, or claims for it.
pub(super) async fn find_to_change(tx: &mut TenantTx, id: Uuid) -> Result<Option<Target>, sqlx::Error> {
    read(tx, id, " FOR NO KEY UPDATE OF t").await
}

async fn read(tx: &mut TenantTx, id: Uuid, lock: &'static str) -> Result<Option<Target>, sqlx::Error> {
    let query = format!("{TARGET} AND t.target_id = $3{lock}");
    let query = sqlx::query(AssertSqlSafe(query)).bind(tx.tenant().uuid()).bind(COUNTED).bind(id);
    query.fetch_optional(&mut **tx).await?.as_ref().map(target).transpose()
}

/// Targets behind `after`, the oldest first; of one account or of all.
pub(super) async fn list(
    tx: &mut TenantTx,
    account: Option<AccountId>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<Target>, sqlx::Error> {
    let query = format!(
        "{TARGET} AND ($3::uuid IS NULL OR t.account_id = $3)
             AND ($4::timestamptz IS NULL OR (t.created_at, t.target_id) > ($4, $5))
         ORDER BY t.created_at, t.target_id LIMIT $6"
    );
    let query =
        sqlx::query(AssertSqlSafe(query)).bind(tx.tenant().uuid()).bind(COUNTED).bind(account.map(AccountId::uuid));
    let query = query.bind(after.map(|(time, _)| time)).bind(after.map(|(_, id)| id)).bind(limit);
    query.fetch_all(&mut **tx).await?.iter().map(target).collect()
}

/// Gives a target another URL and name. `fresh`: it is a new place, so how the old one did says nothing of it.
pub(super) async fn update(
    tx: &mut TenantTx,
    id: Uuid,
    sealed_url: &[u8],
    display_name: &str,
    fresh: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ingest.forwarding_target SET url = $3, display_name = $4, version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND target_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(sealed_url)
    .bind(display_name)
    .execute(&mut **tx)
    .await?;
    if fresh { start_over(tx, id).await } else { Ok(()) }
}

/// Pauses a target, or ends that.
pub(super) async fn set_pause(tx: &mut TenantTx, id: Uuid, reason: Option<i16>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ingest.forwarding_target
         SET pause_reason = $3, paused_at = CASE WHEN $3::smallint IS NOT NULL THEN now() END, version = version + 1, updated_at = now()
         WHERE tenant_id = $1 AND target_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    if reason.is_none() { start_over(tx, id).await } else { Ok(()) }
}

/// Forgets how it did, and has what failed tried at once.
async fn start_over(tx: &mut TenantTx, id: Uuid) -> Result<(), sqlx::Error> {
    for sql in [
        "UPDATE ingest.forwarding_target SET failures = 0, strikes = 0, failing_since = NULL, next_try_at = NULL
         WHERE tenant_id = $1 AND target_id = $2",
        "UPDATE ingest.forwarding SET due_at = least(due_at, now()), calls = 1, first_call_at = now()
         WHERE tenant_id = $1 AND target_id = $2 AND calls > 0 AND claim IS NULL",
    ] {
        sqlx::query(sql).bind(tx.tenant().uuid()).bind(id).execute(&mut **tx).await?;
    }
    Ok(())
}

/// Deletes a target. What waits for it is swept later: it may be a million rows.
pub(super) async fn delete(tx: &mut TenantTx, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM ingest.forwarding_target WHERE tenant_id = $1 AND target_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
