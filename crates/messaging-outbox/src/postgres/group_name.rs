//! Names of group chats.

use chassis::postgres::TenantTx;
use chassis::work_queue::WorkQueue;
use kernel::{AccountId, ConversationId};

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

/// Names to be asked for; a job is about a conversation.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "messaging.group_name_job", subject: "conversation_id", due: "due", attempts: "attempts" };

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
