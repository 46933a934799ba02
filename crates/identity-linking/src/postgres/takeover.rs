//! Requests to take a link over from another LINE user.

use std::collections::HashMap;

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::Line;
use identity_linking_core::link::{Note, TakeoverState};
use identity_linking_core::matching::Assurance;
use kernel::{CustomerId, FriendId, LinkAttemptId, LinkId, StaffId, TakeoverRequestId, TenantId, Timestamp};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::row::{self, Position};

/// A request as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredTakeover {
    pub(crate) id: TakeoverRequestId,
    pub(crate) version: i64,
    /// The attempt that last asked for it.
    pub(crate) attempt: LinkAttemptId,
    pub(crate) customer: CustomerId,
    /// The link as it was when it was opened.
    pub(crate) link: LinkId,
    /// The LINE user linked then.
    pub(crate) linked: FriendId,
    /// The LINE user who asks.
    pub(crate) asking: FriendId,
    /// What the asking LINE user's claim is worth.
    pub(crate) assurance: Assurance,
    pub(crate) state: TakeoverState,
    /// When it was last asked for, by LINE's clock where LINE confirmed it.
    pub(crate) ask_time: Timestamp,
    pub(crate) create_time: Timestamp,
    pub(crate) expire_time: Timestamp,
    pub(crate) settle_time: Option<Timestamp>,
    pub(crate) staff: Option<StaffId>,
    pub(crate) note: Option<Note>,
}

fn stored(row: &PgRow) -> Result<StoredTakeover, sqlx::Error> {
    Ok(StoredTakeover {
        id: row::id(row, "takeover_request_id")?,
        version: row::get(row, "version")?,
        attempt: row::id(row, "link_attempt_id")?,
        customer: row::id(row, "customer_id")?,
        link: row::id(row, "link_id")?,
        linked: row::id(row, "linked_friend_id")?,
        asking: row::id(row, "asking_friend_id")?,
        assurance: row::word(row, "assurance", Assurance::named)?,
        state: row::word(row, "state", TakeoverState::named)?,
        ask_time: row::get(row, "ask_time")?,
        create_time: row::get(row, "create_time")?,
        expire_time: row::get(row, "expire_time")?,
        settle_time: row::get(row, "settle_time")?,
        staff: row::optional_id(row, "staff_id")?,
        note: row::read(row, "note", Line::optional)?,
    })
}

/// Adds a request; the LINE user who asks has none open for the customer.
pub(crate) async fn insert(tx: &mut TenantTx, request: &StoredTakeover) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.takeover_request (tenant_id, takeover_request_id, version, link_attempt_id, customer_id, link_id,
             linked_friend_id, asking_friend_id, assurance, state, ask_time, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(tx.tenant().uuid())
    .bind(request.id.uuid())
    .bind(request.version)
    .bind(request.attempt.uuid())
    .bind(request.customer.uuid())
    .bind(request.link.uuid())
    .bind(request.linked.uuid())
    .bind(request.asking.uuid())
    .bind(request.assurance.as_str())
    .bind(request.state.as_str())
    .bind(request.ask_time)
    .bind(request.create_time)
    .bind(request.expire_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The open request of a LINE user for a customer, locked until the transaction ends.
pub(crate) async fn lock_open(
    tx: &mut TenantTx,
    customer: CustomerId,
    asking: FriendId,
) -> Result<Option<StoredTakeover>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.takeover_request
         WHERE tenant_id = $1 AND customer_id = $2 AND asking_friend_id = $3 AND state = 'OPEN' FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(customer.uuid())
    .bind(asking.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// Whether any request for a customer is open.
pub(crate) async fn has_open(tx: &mut TenantTx, customer: CustomerId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.takeover_request
             WHERE tenant_id = $1 AND customer_id = $2 AND state = 'OPEN')",
    )
    .bind(tx.tenant().uuid())
    .bind(customer.uuid())
    .fetch_one(&mut **tx)
    .await
}

/// Keeps that an open request was asked for again.
pub(crate) async fn ask_again(tx: &mut TenantTx, request: &StoredTakeover) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.takeover_request SET version = $3, link_attempt_id = $4, assurance = $5, ask_time = $6
         WHERE tenant_id = $1 AND takeover_request_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(request.id.uuid())
    .bind(request.version)
    .bind(request.attempt.uuid())
    .bind(request.assurance.as_str())
    .bind(request.ask_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The open requests for a link, locked until the transaction ends.
pub(crate) async fn lock_open_for(tx: &mut TenantTx, link: LinkId) -> Result<Vec<StoredTakeover>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT * FROM identity.takeover_request WHERE tenant_id = $1 AND link_id = $2 AND state = 'OPEN'
         ORDER BY takeover_request_id FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(link.uuid())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}

/// Keeps what became of a request.
pub(crate) async fn settle(tx: &mut TenantTx, request: &StoredTakeover) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.takeover_request SET version = $3, state = $4, settle_time = $5, staff_id = $6, note = $7
         WHERE tenant_id = $1 AND takeover_request_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(request.id.uuid())
    .bind(request.version)
    .bind(request.state.as_str())
    .bind(request.settle_time)
    .bind(request.staff.map(StaffId::uuid))
    .bind(request.note.as_ref().map(Line::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A request.
pub(crate) async fn find(tx: &mut TenantTx, id: TakeoverRequestId) -> Result<Option<StoredTakeover>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.takeover_request WHERE tenant_id = $1 AND takeover_request_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: TakeoverRequestId) -> Result<Option<StoredTakeover>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.takeover_request WHERE tenant_id = $1 AND takeover_request_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The customers whose links requests ask for.
pub(crate) async fn customers(
    tx: &mut TenantTx,
    ids: &[TakeoverRequestId],
) -> Result<HashMap<TakeoverRequestId, CustomerId>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT takeover_request_id, customer_id FROM identity.takeover_request
         WHERE tenant_id = $1 AND takeover_request_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(id, customer)| (id.into(), customer.into())).collect())
}

macro_rules! select_takeovers {
    ($filter:literal) => {
        concat!(
            "SELECT * FROM identity.takeover_request WHERE tenant_id = $1 AND ",
            $filter,
            " AND (create_time, takeover_request_id) < (coalesce($4::timestamptz, 'infinity'), $5)
             ORDER BY create_time DESC, takeover_request_id DESC LIMIT $6"
        )
    };
}

/// At most `size` requests, latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    state: Option<TakeoverState>,
    customer: Option<CustomerId>,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredTakeover>, sqlx::Error> {
    let (time, behind) = after.unzip();
    // Three texts, for each has an index of its own: open requests are few among all that there were.
    let rows = sqlx::query(match (customer, state) {
        (Some(_), _) => select_takeovers!("($2::text IS NULL OR state = $2) AND customer_id = $3"),
        (None, Some(TakeoverState::Open)) => select_takeovers!("state = 'OPEN' AND state = $2 AND $3::uuid IS NULL"),
        (None, _) => select_takeovers!("($2::text IS NULL OR state = $2) AND $3::uuid IS NULL"),
    })
    .bind(tx.tenant().uuid())
    .bind(state.map(TakeoverState::as_str))
    .bind(customer.map(CustomerId::uuid))
    .bind(time)
    .bind(behind)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}

/// At most `size` open requests of any tenant that nobody answered before `now`, behind `after`, each with its end.
pub(crate) async fn unanswered(
    database: &Database,
    now: Timestamp,
    after: Position,
    size: i64,
) -> Result<Vec<(Timestamp, TenantId, TakeoverRequestId)>, sqlx::Error> {
    let (time, behind) = after;
    let rows: Vec<(Timestamp, Uuid, Uuid)> = sqlx::query_as(
        "SELECT expire_time, tenant_id, takeover_request_id FROM identity.takeover_request
         WHERE settle_time IS NULL AND expire_time <= $1 AND (expire_time, takeover_request_id) > ($2, $3)
         ORDER BY expire_time, takeover_request_id LIMIT $4",
    )
    .bind(now)
    .bind(time)
    .bind(behind)
    .bind(size)
    .fetch_all(database.worker())
    .await?;
    Ok(rows.into_iter().map(|(end, tenant, id)| (end, tenant.into(), id.into())).collect())
}
