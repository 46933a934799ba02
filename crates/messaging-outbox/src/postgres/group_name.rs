//! Names of group chats.

use std::time::Duration;

use chassis::postgres::TenantTx;
use kernel::{AccountId, ConversationId, TenantId};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

/// Has the group's name asked for, unless it was told within a day.
pub(crate) async fn expect(
    tx: &mut TenantTx,
    account: AccountId,
    conversation: ConversationId,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.group_name_job (tenant_id, conversation_id, account_id)
         SELECT $1, $2, $3 WHERE NOT EXISTS (
             SELECT FROM messaging.group_name
             WHERE tenant_id = $1 AND conversation_id = $2 AND read_time > now() - interval '1 day')
         ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(conversation.uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A name to be asked for, claimed for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    pub(crate) tenant: TenantId,
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) attempts: u16,
}

/// Claims up to `room` due jobs over all tenants, `lease` long.
pub(crate) async fn claim(worker: &PgPool, room: i64, lease: Duration) -> Result<Vec<Job>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH due AS (
             SELECT tenant_id, conversation_id FROM messaging.group_name_job WHERE due <= now()
             ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED)
         UPDATE messaging.group_name_job j
         SET due = now() + make_interval(secs => $2), attempts = least(j.attempts + 1, 30000)
         FROM due WHERE (j.tenant_id, j.conversation_id) = (due.tenant_id, due.conversation_id)
         RETURNING j.tenant_id, j.conversation_id, j.account_id, j.attempts",
    )
    .bind(room)
    .bind(lease.as_secs_f64())
    .fetch_all(worker)
    .await?;
    rows.iter()
        .map(|row| {
            let id = |name: &str| row.try_get::<Uuid, _>(name);
            Ok(Job {
                tenant: id("tenant_id")?.into(),
                conversation: id("conversation_id")?.into(),
                account: id("account_id")?.into(),
                attempts: row.try_get::<i16, _>("attempts")?.unsigned_abs(),
            })
        })
        .collect()
}

/// LINE's ID of the group.
pub(crate) async fn key(tx: &mut TenantTx, conversation: ConversationId) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT chat_key FROM messaging.conversation WHERE tenant_id = $1 AND conversation_id = $2")
        .bind(tx.tenant().uuid())
        .bind(conversation.uuid())
        .fetch_optional(&mut **tx)
        .await
}

/// Keeps the name, empty where LINE tells none, and tells watchers; the job ends.
pub(crate) async fn settle(tx: &mut TenantTx, conversation: ConversationId, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH job AS (DELETE FROM messaging.group_name_job WHERE tenant_id = $1 AND conversation_id = $2),
              told AS (INSERT INTO messaging.conversation_change (tenant_id, conversation_id) VALUES ($1, $2))
         INSERT INTO messaging.group_name AS g (tenant_id, conversation_id, display_name) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, conversation_id) DO UPDATE
         SET display_name = coalesce(nullif(excluded.display_name, ''), g.display_name), read_time = excluded.read_time",
    )
    .bind(tx.tenant().uuid())
    .bind(conversation.uuid())
    .bind(name.replace('\0', ""))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The job is due again after `wait`.
pub(crate) async fn postpone(worker: &PgPool, job: &Job, wait: Duration) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.group_name_job SET due = now() + make_interval(secs => $3)
         WHERE tenant_id = $1 AND conversation_id = $2",
    )
    .bind(job.tenant.uuid())
    .bind(job.conversation.uuid())
    .bind(wait.as_secs_f64())
    .execute(worker)
    .await?;
    Ok(())
}
