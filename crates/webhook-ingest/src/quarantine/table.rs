//! The table of quarantined bodies, inside one tenant.

use std::collections::HashSet;

use chassis::auth::Caller;
use chassis::postgres::TenantTx;
use kernel::{AccountId, BodyId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;
use webhook_ingest_core::{Event, QuarantineReason};

use crate::commit::reason_name;

/// Where a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Released,
    Dropped,
}

/// A quarantined body, without its content.
#[derive(Clone, Debug)]
pub(super) struct Quarantined {
    pub(super) body: BodyId,
    pub(super) account: AccountId,
    pub(super) reason: QuarantineReason,
    pub(super) verified_at: Timestamp,
    pub(super) size: i32,
    pub(super) version: i64,
    pub(super) state: State,
    pub(super) settled_at: Option<Timestamp>,
    pub(super) principal: Option<Uuid>,
    pub(super) staff: Option<Uuid>,
}

/// Which bodies are listed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filter {
    pub(super) account: Option<Uuid>,
    pub(super) state: Option<State>,
    pub(super) reason: Option<QuarantineReason>,
}

const COLUMNS: &str = "q.body_id, q.account_id, q.reason, q.verified_at, q.size, q.version, q.state, q.settled_at,
    q.principal_id, q.staff_id";

const REASONS: [QuarantineReason; 3] =
    [QuarantineReason::WrongDestination, QuarantineReason::Unreadable, QuarantineReason::OutsideWindow];
const STATES: [State; 3] = [State::Waiting, State::Released, State::Dropped];

const fn state_name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Released => "released",
        State::Dropped => "dropped",
    }
}

fn quarantined(row: &PgRow) -> Result<Quarantined, sqlx::Error> {
    let unknown = || sqlx::Error::Decode("a quarantined body of a later version".into());
    let (reason, state): (String, String) = (row.try_get(2)?, row.try_get(6)?);
    Ok(Quarantined {
        body: BodyId::from(row.try_get::<Uuid, _>(0)?),
        account: AccountId::from(row.try_get::<Uuid, _>(1)?),
        reason: REASONS.into_iter().find(|known| reason_name(*known) == reason).ok_or_else(unknown)?,
        verified_at: row.try_get(3)?,
        size: row.try_get(4)?,
        version: row.try_get(5)?,
        state: STATES.into_iter().find(|known| state_name(*known) == state).ok_or_else(unknown)?,
        settled_at: row.try_get(7)?,
        principal: row.try_get(8)?,
        staff: row.try_get(9)?,
    })
}

/// Bodies quarantined before `before`, latest first.
pub(super) async fn list(
    tx: &mut TenantTx,
    filter: Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Quarantined>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM ingest.quarantined_body q
         WHERE q.tenant_id = $1 AND ($2::uuid IS NULL OR q.account_id = $2) AND ($3::text IS NULL OR q.state = $3)
             AND ($4::text IS NULL OR q.reason = $4) AND q.body_id < $5
         ORDER BY q.body_id DESC LIMIT $6"
    );
    let query = sqlx::query(AssertSqlSafe(text))
        .bind(tx.tenant().uuid())
        .bind(filter.account)
        .bind(filter.state.map(state_name))
        .bind(filter.reason.map(reason_name))
        .bind(before.unwrap_or(Uuid::max()))
        .bind(limit);
    query.fetch_all(&mut **tx).await?.iter().map(quarantined).collect()
}

/// One body with its content as it is kept, empty once it is settled.
pub(super) async fn find(tx: &mut TenantTx, body: BodyId) -> Result<Option<(Quarantined, Vec<u8>)>, sqlx::Error> {
    one(tx, body, "").await
}

/// The same; nobody else settles it until the end of the transaction.
pub(super) async fn lock(tx: &mut TenantTx, body: BodyId) -> Result<Option<(Quarantined, Vec<u8>)>, sqlx::Error> {
    one(tx, body, "FOR UPDATE").await
}

async fn one(tx: &mut TenantTx, body: BodyId, lock: &str) -> Result<Option<(Quarantined, Vec<u8>)>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS}, q.payload FROM ingest.quarantined_body q WHERE q.tenant_id = $1 AND q.body_id = $2 {lock}"
    );
    let query = sqlx::query(AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(body.uuid());
    let Some(row) = query.fetch_optional(&mut **tx).await? else { return Ok(None) };
    Ok(Some((quarantined(&row)?, row.try_get("payload")?)))
}

/// Which of these events of an account were accepted before.
pub(super) async fn accepted(
    tx: &mut TenantTx,
    account: AccountId,
    events: &[Event],
) -> Result<HashSet<u128>, sqlx::Error> {
    let query = sqlx::query_scalar(
        "SELECT s.event_id FROM ingest.seen_event s
         WHERE s.tenant_id = $1 AND s.account_id = $2 AND s.event_id = ANY ($3)",
    );
    let ids: Vec<Uuid> = events.iter().map(|event| Uuid::from_u128(event.id.0)).collect();
    let found: Vec<Uuid> = query.bind(tx.tenant().uuid()).bind(account.uuid()).bind(ids).fetch_all(&mut **tx).await?;
    Ok(found.into_iter().map(|id| id.as_u128()).collect())
}

/// What must be known of a quarantined body is noted of the one as which it was let in: when something was cut out of it, and whether
/// it holds events that were not.
pub(super) async fn carry_on(
    tx: &mut TenantTx,
    from: &Quarantined,
    to: BodyId,
    is_part: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE ingest.body b SET redacted_at = q.redacted_at, shared = b.shared OR $4 FROM ingest.quarantined_body q
         WHERE b.tenant_id = $1 AND b.body_id = $3 AND q.tenant_id = $1 AND q.body_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(from.body.uuid())
    .bind(to.uuid())
    .bind(is_part)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Settles a locked body for good: its content is erased. Tells it as it stands then.
pub(super) async fn settle(
    tx: &mut TenantTx,
    body: Quarantined,
    state: State,
    caller: &Caller,
    now: Timestamp,
) -> Result<Quarantined, sqlx::Error> {
    let (principal, staff) = (caller.principal().uuid(), caller.staff().map(|staff| staff.id.uuid()));
    let settled_at = sqlx::query_scalar(
        "UPDATE ingest.quarantined_body
         SET version = version + 1, state = $3, settled_at = $4, principal_id = $5, staff_id = $6, payload = ''
         WHERE tenant_id = $1 AND body_id = $2 RETURNING settled_at",
    )
    .bind(tx.tenant().uuid())
    .bind(body.body.uuid())
    .bind(state_name(state))
    .bind(now)
    .bind(principal)
    .bind(staff)
    .fetch_one(&mut **tx)
    .await?;
    let version = body.version + 1;
    Ok(Quarantined { version, state, settled_at, principal: Some(principal), staff, ..body })
}

/// Notes that a part of a locked body was let in; the rest waits.
pub(super) async fn touch(tx: &mut TenantTx, body: Quarantined) -> Result<Quarantined, sqlx::Error> {
    sqlx::query("UPDATE ingest.quarantined_body SET version = version + 1 WHERE tenant_id = $1 AND body_id = $2")
        .bind(tx.tenant().uuid())
        .bind(body.body.uuid())
        .execute(&mut **tx)
        .await?;
    Ok(Quarantined { version: body.version + 1, ..body })
}
