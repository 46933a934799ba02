//! The archive's queries, each inside one tenant.

use std::collections::HashSet;

use chassis::page::Place;
use chassis::postgres::TenantTx;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

/// An event as it is known by.
pub(super) struct SeenEvent {
    pub(super) account: Uuid,
    pub(super) event: Uuid,
    pub(super) body: Uuid,
    pub(super) occurred_at: Timestamp,
    pub(super) event_type: String,
}

/// A body that is quarantined.
pub(super) struct Quarantined {
    pub(super) body: Uuid,
    pub(super) account: Uuid,
    pub(super) reason: String,
    pub(super) verified_at: Timestamp,
    pub(super) size: i32,
}

/// One kind of finding of one account in one hour.
pub(super) struct FindingRow {
    pub(super) place: FindingPlace,
    pub(super) count: i64,
    pub(super) last_at: Timestamp,
}

/// Where a page of findings ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FindingPlace {
    pub(super) hour: Timestamp,
    pub(super) account: Uuid,
    pub(super) kind: String,
}

impl Place for FindingPlace {
    fn is_possible(&self) -> bool {
        self.hour.is_possible()
    }
}

const SEEN_EVENT: &str =
    "SELECT s.account_id, s.event_id, s.body_id, s.occurred_at, s.event_type FROM ingest.seen_event s";

fn seen_event(row: &PgRow) -> Result<SeenEvent, sqlx::Error> {
    Ok(SeenEvent {
        account: row.try_get(0)?,
        event: row.try_get(1)?,
        body: row.try_get(2)?,
        occurred_at: row.try_get(3)?,
        event_type: row.try_get(4)?,
    })
}

/// Whether the transaction's tenant has this account.
pub(super) async fn account_known(tx: &mut TenantTx, account: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM ingest.account_replica WHERE tenant_id = $1 AND account_id = $2)")
        .bind(tx.tenant().uuid())
        .bind(account)
        .fetch_one(&mut **tx)
        .await
}

/// Which of these bodies are still to be published.
pub(super) async fn unpublished(tx: &mut TenantTx, bodies: &[Uuid]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let query = sqlx::query_scalar(
        "SELECT DISTINCT body.id FROM ingest.publication p CROSS JOIN LATERAL unnest(p.body_ids) AS body (id)
         WHERE p.tenant_id = $1 AND p.body_ids && $2 AND body.id = ANY ($2)",
    );
    let bodies: Vec<Uuid> = query.bind(tx.tenant().uuid()).bind(bodies).fetch_all(&mut **tx).await?;
    Ok(bodies.into_iter().collect())
}

/// The event of an ID, whichever of the tenant's accounts it came to.
pub(super) async fn event(tx: &mut TenantTx, event: Uuid) -> Result<Option<SeenEvent>, sqlx::Error> {
    let tenant = tx.tenant().uuid();
    let text = format!(
        "{SEEN_EVENT} WHERE s.tenant_id = $1 AND s.event_id = $2
         AND s.account_id IN (SELECT a.account_id FROM ingest.account_replica a WHERE a.tenant_id = $1)
         ORDER BY s.account_id LIMIT 1"
    );
    let row = sqlx::query(AssertSqlSafe(text)).bind(tenant).bind(event).fetch_optional(&mut **tx).await?;
    row.as_ref().map(seen_event).transpose()
}

/// An account's events before `before`, latest first.
pub(super) async fn events(
    tx: &mut TenantTx,
    account: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<SeenEvent>, sqlx::Error> {
    let tenant = tx.tenant().uuid();
    let text = format!(
        "{SEEN_EVENT} WHERE s.tenant_id = $1 AND s.account_id = $2 AND s.event_id < $3 ORDER BY s.event_id DESC LIMIT $4"
    );
    let query =
        sqlx::query(AssertSqlSafe(text)).bind(tenant).bind(account).bind(before.unwrap_or(Uuid::max())).bind(limit);
    query.fetch_all(&mut **tx).await?.iter().map(seen_event).collect()
}

/// Bodies quarantined before `before`, latest first; of one account or of all.
pub(super) async fn quarantined(
    tx: &mut TenantTx,
    account: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Quarantined>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT body_id, account_id, reason, verified_at, octet_length(payload) FROM ingest.quarantined_body
         WHERE tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2) AND body_id < $3
         ORDER BY body_id DESC LIMIT $4",
    );
    let query = query.bind(tx.tenant().uuid()).bind(account).bind(before.unwrap_or(Uuid::max())).bind(limit);
    let quarantined = |row: &PgRow| {
        Ok(Quarantined {
            body: row.try_get(0)?,
            account: row.try_get(1)?,
            reason: row.try_get(2)?,
            verified_at: row.try_get(3)?,
            size: row.try_get(4)?,
        })
    };
    query.fetch_all(&mut **tx).await?.iter().map(quarantined).collect()
}

/// Findings behind `after`, latest hour first; of one account or of all.
pub(super) async fn findings(
    tx: &mut TenantTx,
    account: Option<Uuid>,
    after: Option<&FindingPlace>,
    limit: i64,
) -> Result<Vec<FindingRow>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT hour, account_id, kind, count, last_at FROM ingest.finding
         WHERE tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2)
             AND ($3::timestamptz IS NULL OR hour < $3 OR (hour = $3 AND (account_id, kind) > ($4, $5)))
         ORDER BY hour DESC, account_id, kind LIMIT $6",
    );
    let query = query
        .bind(tx.tenant().uuid())
        .bind(account)
        .bind(after.map(|place| place.hour))
        .bind(after.map(|place| place.account))
        .bind(after.map(|place| place.kind.as_str()))
        .bind(limit);
    let finding = |row: &PgRow| {
        Ok(FindingRow {
            place: FindingPlace { hour: row.try_get(0)?, account: row.try_get(1)?, kind: row.try_get(2)? },
            count: row.try_get(3)?,
            last_at: row.try_get(4)?,
        })
    };
    query.fetch_all(&mut **tx).await?.iter().map(finding).collect()
}
