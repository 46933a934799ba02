//! What tenants let happen by themselves when LINE users come.

use chassis::postgres::TenantTx;
use identity_linking_core::link::{LeastAssurance, LinkPolicy};
use identity_linking_core::matching::{Assurance, OnFirstMessage, OnNoMatch};
use sqlx::postgres::PgRow;

use super::row;

/// A policy as it is kept; version 0 where the tenant set none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredPolicy {
    /// Rises with every change.
    pub(crate) version: i64,
    /// The policy.
    pub(crate) value: LinkPolicy,
}

fn stored(row: Option<&PgRow>) -> Result<StoredPolicy, sqlx::Error> {
    let Some(row) = row else { return Ok(StoredPolicy { version: 0, value: LinkPolicy::default() }) };
    let assurance = |column| row::word(row, column, Assurance::named);
    Ok(StoredPolicy {
        version: row::get(row, "version")?,
        value: LinkPolicy {
            on_no_match: row::word(row, "on_no_match", OnNoMatch::named)?,
            on_first_message: row::word(row, "on_first_message", OnFirstMessage::named)?,
            least: LeastAssurance {
                chat: assurance("least_chat")?,
                reminder: assurance("least_reminder")?,
                personal: assurance("least_personal")?,
            },
        },
    })
}

/// The policy of the transaction's tenant.
pub(crate) async fn find(tx: &mut TenantTx) -> Result<StoredPolicy, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.link_policy WHERE tenant_id = $1")
        .bind(tx.tenant().uuid())
        .fetch_optional(&mut **tx)
        .await?;
    stored(row.as_ref())
}

/// Keeps the policy's new version. The tenant is locked.
pub(crate) async fn put(tx: &mut TenantTx, policy: &StoredPolicy) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.link_policy
             (tenant_id, version, on_no_match, on_first_message, least_chat, least_reminder, least_personal)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id) DO UPDATE
         SET version = excluded.version, on_no_match = excluded.on_no_match, on_first_message = excluded.on_first_message,
             least_chat = excluded.least_chat, least_reminder = excluded.least_reminder,
             least_personal = excluded.least_personal",
    )
    .bind(tx.tenant().uuid())
    .bind(policy.version)
    .bind(policy.value.on_no_match.as_str())
    .bind(policy.value.on_first_message.as_str())
    .bind(policy.value.least.chat.as_str())
    .bind(policy.value.least.reminder.as_str())
    .bind(policy.value.least.personal.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
