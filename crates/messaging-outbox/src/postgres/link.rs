//! Replicas of customers and of their links: who a LINE user is, now. A conversation's rows never move with a link; what it belongs
//! to is looked up when it is read (F-24).

use chassis::postgres::TenantTx;
use contracts::events::v1::{CustomerReplica, LinkReplica};
use uuid::Uuid;

use super::conversation::changed;
use super::replica::text;
use crate::change::Changed;

/// Keeps the customer; tells whether it belongs to another organization than before. `id` and `organization` are the replica's IDs,
/// parsed. Whoever is linked to a customer not heard of before waits for it (`placing`).
pub(crate) async fn put_customer(
    tx: &mut TenantTx,
    id: Uuid,
    organization: Option<Uuid>,
    replica: &CustomerReplica,
) -> Result<bool, sqlx::Error> {
    // Locked, so that of two versions at once the later one sees what the earlier one changed.
    let before: Option<Option<Uuid>> = sqlx::query_scalar(
        "SELECT organization_id FROM messaging.customer_replica WHERE tenant_id = $1 AND customer_id = $2 FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    let made: Option<bool> = sqlx::query_scalar(
        "INSERT INTO messaging.customer_replica AS c (tenant_id, customer_id, version, family_name, given_name, organization_id,
             merged_into)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, customer_id) DO UPDATE
         SET version = excluded.version, family_name = excluded.family_name, given_name = excluded.given_name,
             organization_id = excluded.organization_id, merged_into = excluded.merged_into
         WHERE c.version < excluded.version
         RETURNING xmax = 0",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .bind(replica.version)
    .bind(text(&replica.family_name))
    .bind(text(&replica.given_name))
    .bind(organization)
    .bind(Uuid::try_parse(&replica.merged_into).ok())
    .fetch_optional(&mut **tx)
    .await?;
    // One that was not there a moment ago, and is now, was heard of by somebody else in between.
    Ok(made.is_some_and(|made| !made && before != Some(organization)))
}

/// Whether the transaction's tenant has this customer.
pub(crate) async fn is_known(tx: &mut TenantTx, customer: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM messaging.customer_replica WHERE tenant_id = $1 AND customer_id = $2)",
    )
    .bind(tx.tenant().uuid())
    .bind(customer)
    .fetch_one(&mut **tx)
    .await
}

/// The IDs of a link, parsed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkIds {
    pub(crate) link: Uuid,
    pub(crate) customer: Uuid,
    pub(crate) provider: Uuid,
}

/// Keeps the link; tells whether it was news. An ended one stays, so that no older version brings it back.
pub(crate) async fn put(tx: &mut TenantTx, ids: LinkIds, replica: &LinkReplica) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query(
        "INSERT INTO messaging.link_replica AS l
             (tenant_id, link_id, version, customer_id, provider_id, line_user_id, create_time, end_time, assurance)
         VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, '-infinity'), $8, $9)
         ON CONFLICT (tenant_id, link_id) DO UPDATE
         SET version = excluded.version, customer_id = excluded.customer_id, provider_id = excluded.provider_id,
             line_user_id = excluded.line_user_id, create_time = excluded.create_time, end_time = excluded.end_time,
             assurance = excluded.assurance
         WHERE l.version < excluded.version",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.link)
    .bind(replica.version)
    .bind(ids.customer)
    .bind(ids.provider)
    .bind(text(&replica.line_user_id))
    .bind(replica.create_time.as_ref().and_then(contracts::to_timestamp))
    .bind(replica.end_time.as_ref().and_then(contracts::to_timestamp))
    .bind(i16::try_from(replica.assurance).unwrap_or_default())
    .execute(&mut **tx)
    .await?;
    Ok(kept.rows_affected() > 0)
}

/// Counts a change of each conversation of a LINE user: one for each account of the provider at most. Their rows are locked in
/// their order, as everywhere.
pub(crate) async fn bump_conversations(
    tx: &mut TenantTx,
    provider: Uuid,
    line_user_id: &str,
) -> Result<Vec<Changed>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT c.conversation_id FROM messaging.account_replica a CROSS JOIN LATERAL (
             SELECT conversation_id FROM messaging.conversation
             WHERE tenant_id = $1 AND account_id = a.account_id AND chat_key = $3 LIMIT 1) c
         WHERE a.tenant_id = $1 AND a.provider_id = $2 ORDER BY 1",
    )
    .bind(tx.tenant().uuid())
    .bind(provider)
    .bind(text(line_user_id))
    .fetch_all(&mut **tx)
    .await?;
    let mut bumped = Vec::with_capacity(ids.len());
    for id in ids {
        let row = sqlx::query(
            "UPDATE messaging.conversation SET version = version + 1 WHERE tenant_id = $1 AND conversation_id = $2
             RETURNING conversation_id, account_id, version, unread_count",
        )
        .bind(tx.tenant().uuid())
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
        bumped.extend(row.map(|row| changed(&row, None)).transpose()?);
    }
    Ok(bumped)
}
