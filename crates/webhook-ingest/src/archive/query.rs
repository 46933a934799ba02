//! The archive's queries, each inside one tenant.

use std::collections::HashSet;

use chassis::page::Place;
use chassis::postgres::TenantTx;
use kernel::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::filter::Filter;

/// An event as it is known by.
pub(super) struct SeenEvent {
    pub(super) account: Uuid,
    pub(super) event: Uuid,
    pub(super) body: Uuid,
    pub(super) occurred_at: Timestamp,
    pub(super) event_type: String,
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

/// Events looked at for one page of those that are asked for.
const LOOKED_AT: i64 = 10_000;

/// What a look into an account's events gave.
pub(super) struct Looked {
    /// Those that are asked for, latest first.
    pub(super) events: Vec<SeenEvent>,
    /// Where to look on, when there may be more behind all that was looked at.
    pub(super) last: Option<Uuid>,
}

/// The latest of the events that are asked for, before `before`: at most `limit`, among a bounded number that is looked at.
pub(super) async fn events(
    tx: &mut TenantTx,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Looked, sqlx::Error> {
    let tenant = tx.tenant().uuid();
    let depth = if filter.is_open() { limit } else { LOOKED_AT };
    let text = "
        WITH looked AS (
            SELECT s.event_id, s.event_type, s.line_user
            FROM ingest.seen_event s
            WHERE s.tenant_id = $1 AND s.account_id = $2 AND s.event_id >= $3 AND s.event_id < $4
            ORDER BY s.event_id DESC LIMIT $5
        ), last AS (
            SELECT (array_agg(event_id ORDER BY event_id))[1] AS event_id FROM looked HAVING count(*) = $5
        ), found AS (
            SELECT event_id FROM looked
            WHERE ($6::text[] IS NULL OR event_type = ANY ($6)) AND ($7::uuid[] IS NULL OR line_user = ANY ($7))
            ORDER BY event_id DESC LIMIT $8
        )
        SELECT e.account_id, e.event_id, e.body_id, e.occurred_at, e.event_type, (SELECT event_id FROM last) AS last
        FROM (SELECT) AS look LEFT JOIN (
            SELECT s.* FROM found JOIN ingest.seen_event s
                ON s.tenant_id = $1 AND s.account_id = $2 AND s.event_id = found.event_id
        ) e ON true ORDER BY e.event_id DESC";
    let end = before.map_or(filter.span.1, |before| before.min(filter.span.1));
    let query = sqlx::query(text)
        .bind(tenant)
        .bind(filter.account)
        .bind(filter.span.0)
        .bind(end)
        .bind(depth)
        .bind(filter.types.as_deref())
        .bind(filter.users.as_deref())
        .bind(limit);
    let rows = query.fetch_all(&mut **tx).await?;
    let last = rows.first().map(|row| row.try_get("last")).transpose()?.flatten();
    // Where nothing is found, one row says how far was looked.
    let is_found = |row: &&PgRow| !matches!(row.try_get::<Option<Uuid>, _>(1), Ok(None));
    let events = rows.iter().filter(is_found).map(seen_event).collect::<Result<Vec<_>, _>>()?;
    Ok(Looked { events, last: if filter.is_open() { None } else { last } })
}

/// How many of the events that are asked for there are, by type, the most frequent first.
pub(super) async fn counts(tx: &mut TenantTx, filter: &Filter) -> Result<Vec<(String, i64)>, sqlx::Error> {
    sqlx::query("SET LOCAL statement_timeout = '4s'").execute(&mut **tx).await?;
    sqlx::query_as(
        "SELECT event_type, count(*) FROM ingest.seen_event
         WHERE tenant_id = $1 AND account_id = $2 AND event_id >= $3 AND event_id < $4
             AND ($5::text[] IS NULL OR event_type = ANY ($5)) AND ($6::uuid[] IS NULL OR line_user = ANY ($6))
         GROUP BY event_type ORDER BY 2 DESC, 1",
    )
    .bind(tx.tenant().uuid())
    .bind(filter.account)
    .bind(filter.span.0)
    .bind(filter.span.1)
    .bind(filter.types.as_deref())
    .bind(filter.users.as_deref())
    .fetch_all(&mut **tx)
    .await
}

/// A stored body.
pub(super) struct Stored {
    pub(super) account: Uuid,
    pub(super) verified_at: Timestamp,
    pub(super) redacted_at: Option<Timestamp>,
    pub(super) sealed: Vec<u8>,
}

/// The body of an ID.
pub(super) async fn body(tx: &mut TenantTx, body: Uuid) -> Result<Option<Stored>, sqlx::Error> {
    let query = sqlx::query(
        "SELECT account_id, verified_at, redacted_at, payload FROM ingest.body WHERE tenant_id = $1 AND body_id = $2",
    );
    let row = query.bind(tx.tenant().uuid()).bind(body).fetch_optional(&mut **tx).await?;
    let stored = |row: PgRow| {
        Ok(Stored {
            account: row.try_get(0)?,
            verified_at: row.try_get(1)?,
            redacted_at: row.try_get(2)?,
            sealed: row.try_get(3)?,
        })
    };
    row.map(stored).transpose()
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
