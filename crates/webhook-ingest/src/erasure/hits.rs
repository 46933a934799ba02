//! Which event IDs lead to what is to be erased.

use chassis::postgres::TenantTx;
use kernel::Timestamp;
use sqlx::Row;
use uuid::Uuid;
use webhook_ingest_core::first_id;

/// An event that is to be erased.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) account: Uuid,
    pub(super) event: Uuid,
    pub(super) body: Uuid,
    pub(super) event_type: String,
}

/// A part of the event IDs that was looked through.
pub(super) struct Part {
    pub(super) hits: Vec<Hit>,
    /// Bodies that came after the person was to be forgotten, with events from before.
    pub(super) late: Vec<Uuid>,
    /// The last event looked at; none: there is nothing behind it.
    pub(super) last: Option<(Uuid, Uuid)>,
}

/// The events about messages of an account that were taken back, as they were written and as they were edited, with the message; of
/// those with an ID from `from` on and before `to`.
pub(super) async fn of_messages(
    tx: &mut TenantTx,
    account: Uuid,
    (from, to): (Uuid, Uuid),
    messages: &[&str],
) -> Result<Vec<(String, Hit)>, sqlx::Error> {
    let rows = sqlx::query_as::<_, (String, Uuid, Uuid, String)>(
        "SELECT message_id, event_id, body_id, event_type FROM ingest.seen_event
         WHERE tenant_id = $1 AND account_id = $2 AND event_id >= $3 AND event_id < $4 AND message_id = ANY ($5)
             AND event_type <> 'unsend'",
    );
    let rows = rows.bind(tx.tenant().uuid()).bind(account).bind(from).bind(to).bind(messages);
    let hit = |(message, event, body, event_type)| (message, Hit { account, event, body, event_type });
    Ok(rows.fetch_all(&mut **tx).await?.into_iter().map(hit).collect())
}

/// A LINE user's events until then among the next `depth` of the tenant's behind `place`.
pub(super) async fn of_user(
    tx: &mut TenantTx,
    users: &[Uuid],
    until: Timestamp,
    place: (Uuid, Uuid),
    depth: i64,
) -> Result<Part, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT account_id, event_id, body_id, event_type, coalesce(line_user = ANY ($4), false) AND occurred_at <= $5 AS is_hit,
             body_id >= $7 AND occurred_at <= $5 AS is_late
         FROM ingest.seen_event WHERE tenant_id = $1 AND (account_id, event_id) > ($2, $3)
         ORDER BY account_id, event_id LIMIT $6",
    )
    .bind(tx.tenant().uuid())
    .bind(place.0)
    .bind(place.1)
    .bind(users)
    .bind(until)
    .bind(depth)
    .bind(first_id(until))
    .fetch_all(&mut **tx)
    .await?;
    let mut part = Part { hits: Vec::new(), late: Vec::new(), last: None };
    for row in &rows {
        let (account, event, body) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if row.try_get("is_hit")? {
            part.hits.push(Hit { account, event, body, event_type: row.try_get(3)? });
        }
        if row.try_get("is_late")? {
            part.late.push(body);
        }
        part.last = Some((account, event));
    }
    if i64::try_from(rows.len()).is_ok_and(|read| read < depth) {
        part.last = None;
    }
    part.late.sort_unstable();
    part.late.dedup();
    Ok(part)
}

/// Which of these events of an account were let in.
pub(super) async fn let_in(tx: &mut TenantTx, account: Uuid, events: &[Uuid]) -> Result<Vec<Uuid>, sqlx::Error> {
    let query =
        "SELECT event_id FROM ingest.seen_event WHERE tenant_id = $1 AND account_id = $2 AND event_id = ANY ($3)";
    sqlx::query_scalar(query).bind(tx.tenant().uuid()).bind(account).bind(events).fetch_all(&mut **tx).await
}

/// Whose events these were is forgotten.
pub(super) async fn forget_whose(tx: &mut TenantTx, hits: &[Hit]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ingest.seen_event s SET line_user = NULL, message_id = NULL
         FROM unnest($2::uuid[], $3::uuid[]) AS hit (account_id, event_id)
         WHERE s.tenant_id = $1 AND s.account_id = hit.account_id AND s.event_id = hit.event_id",
    )
    .bind(tx.tenant().uuid())
    .bind(hits.iter().map(|hit| hit.account).collect::<Vec<_>>())
    .bind(hits.iter().map(|hit| hit.event).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
