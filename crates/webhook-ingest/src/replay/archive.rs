//! The archive, read in the order of event IDs.

use std::collections::HashMap;

use chassis::envelope::EnvelopeError;
use chassis::postgres::{Database, TenantTx};
use kernel::{AccountId, BodyId, TenantId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::replay::{Past, Place, Standing};
use webhook_ingest_core::{Event, body_time, read};

use crate::taken::Taken;
use crate::vault::Vault;

/// Why the archive could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("the database is away or refused")]
    Database(#[from] sqlx::Error),
    #[error("a body cannot be decrypted")]
    Vault(#[from] EnvelopeError),
}

/// The next events behind a place, of these accounts, each account's by its index.
const NEXT: &str = "
SELECT s.*, b.body_id IS NOT NULL AS is_kept, b.redacted_at IS NOT NULL AS is_redacted,
    coalesce(octet_length(b.payload), 0) AS size FROM (
    SELECT s.account_id, s.event_id, s.event_type, s.occurred_at, s.body_id, s.place
    FROM unnest($2::uuid[]) AS a (account_id)
    CROSS JOIN LATERAL (
        SELECT * FROM ingest.seen_event s
        WHERE s.tenant_id = $1 AND s.account_id = a.account_id AND s.event_id >= $3
            AND (s.event_id, s.account_id) > ($3, $4)
        ORDER BY s.event_id LIMIT $5) s
    ORDER BY s.event_id, s.account_id LIMIT $5
) s LEFT JOIN ingest.body b ON b.tenant_id = $1 AND b.body_id = s.body_id
ORDER BY s.event_id, s.account_id";

/// At most `limit` events of these accounts behind `place`, of the tenant's all where none is named.
pub(super) async fn next(
    tx: &mut TenantTx,
    accounts: &[AccountId],
    place: Option<Place>,
    limit: i64,
) -> Result<Vec<Past>, sqlx::Error> {
    let tenant = tx.tenant().uuid();
    let mut asked: Vec<Uuid> = accounts.iter().map(|account| account.uuid()).collect();
    if asked.is_empty() {
        let all = sqlx::query_scalar("SELECT account_id FROM ingest.account_replica WHERE tenant_id = $1");
        asked = all.bind(tenant).fetch_all(&mut **tx).await?;
    }
    // Twice the same would be published twice.
    asked.sort_unstable();
    asked.dedup();
    let (event, account) =
        place.map_or((Uuid::nil(), Uuid::nil()), |(event, account)| (Uuid::from_u128(event.0), account.uuid()));
    let query = sqlx::query(NEXT).bind(tenant).bind(asked).bind(event).bind(account).bind(limit);
    query.fetch_all(&mut **tx).await?.iter().map(past).collect()
}

fn past(row: &PgRow) -> Result<Past, sqlx::Error> {
    let body = BodyId::from(row.try_get::<Uuid, _>("body_id")?);
    let standing = match (row.try_get("is_kept")?, row.try_get("is_redacted")?) {
        (false, _) => Standing::Gone,
        (true, true) => Standing::Redacted,
        (true, false) => Standing::Whole,
    };
    let occurred_at: Timestamp = row.try_get("occurred_at")?;
    Ok(Past {
        account: row.try_get::<Uuid, _>("account_id")?.into(),
        event: Ulid(row.try_get::<Uuid, _>("event_id")?.as_u128()),
        event_type: row.try_get("event_type")?,
        occurred_at,
        received_at: body_time(body).unwrap_or(occurred_at),
        body,
        place: u16::try_from(row.try_get::<i16, _>("place")?).unwrap_or_default(),
        size: u64::try_from(row.try_get::<i32, _>("size")?).unwrap_or_default(),
        standing,
    })
}

/// Whether somebody of the tenant is to be forgotten whose events have not been looked for yet.
pub(super) async fn is_to_forget(tx: &mut TenantTx) -> Result<bool, sqlx::Error> {
    let query = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM ingest.erasure
             WHERE tenant_id = $1 AND unsend_event_id IS NULL AND looks = 0 AND due_at < 'infinity')",
    );
    query.bind(tx.tenant().uuid()).fetch_one(&mut **tx).await
}

/// The bodies of these IDs, with all events that can still be read in them. One that opens no more is not among them.
pub(super) async fn bodies(
    database: &Database,
    vault: &Vault,
    tenant: TenantId,
    ids: &[Uuid],
) -> Result<HashMap<BodyId, Taken>, ArchiveError> {
    let mut tx = database.tenant(tenant).await?;
    let rows = sqlx::query(
        "SELECT body_id, account_id, verified_at, trace, payload FROM ingest.body WHERE tenant_id = $1 AND body_id = ANY ($2)",
    )
    .bind(tenant.uuid())
    .bind(ids)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    let mut bodies = HashMap::with_capacity(rows.len());
    for row in rows {
        let body = BodyId::from(row.try_get::<Uuid, _>("body_id")?);
        let payload = match vault.open(database, tenant, body, row.try_get("payload")?).await {
            Ok(payload) => payload,
            Err(EnvelopeError::Ciphertext) => continue,
            Err(error) => return Err(error.into()),
        };
        let taken = Taken {
            tenant,
            account: row.try_get::<Uuid, _>("account_id")?.into(),
            body,
            verified_at: row.try_get("verified_at")?,
            trace: row.try_get::<Option<String>, _>("trace")?.and_then(|trace| trace.parse().ok()),
            events: read(&payload).map(|reading| reading.events).unwrap_or_default(),
            payload,
            signature: None,
            quarantine: None,
        };
        bodies.insert(body, taken);
    }
    Ok(bodies)
}

/// An event in its body; none where it was cut out.
pub(super) fn event<'a>(body: &'a Taken, past: &Past) -> Option<&'a Event> {
    body.events.iter().find(|event| event.id == past.event)
}
