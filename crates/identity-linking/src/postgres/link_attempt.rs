//! Attempts to link a LINE user to a customer.

use std::collections::HashMap;

use chassis::postgres::{Database, TenantTx};
use chrono::TimeDelta;
use identity_linking_core::link::{Nonce, Note};
use identity_linking_core::matching::{Case, LinkMethod, Outcome, Reason};
use identity_linking_core::{Line, MobileNumber, NamePart, PersonName, Reading};
use kernel::{
    AccountId, ActivityId, CustomerId, FriendId, InquiryId, LinkAttemptId, StaffId, TakeoverRequestId, TenantId,
    Timestamp,
};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::row::{self, Position};

/// Most attempts of a LINE user that are decided again at once; an hour takes ten (`RateScope::LineUser`).
const MOST_TOLD_AFTER: i64 = 32;

/// An attempt as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredAttempt {
    pub(crate) id: LinkAttemptId,
    pub(crate) version: i64,
    pub(crate) method: LinkMethod,
    pub(crate) account: AccountId,
    /// The LINE user who alone can complete it.
    pub(crate) friend: FriendId,
    /// What was typed; none where nothing was, or once it is erased.
    pub(crate) name: Option<PersonName>,
    /// What was typed, where it is compared.
    pub(crate) mobile: Option<MobileNumber>,
    pub(crate) submit_time: Timestamp,
    /// Until when LINE's word is waited for.
    pub(crate) confirm_until: Timestamp,
    /// Too many came before it: it is refused whatever LINE says.
    pub(crate) limited: bool,
    /// When LINE told who it was, by LINE's clock; none: no word came, or none was waited for.
    pub(crate) told_time: Option<Timestamp>,
    pub(crate) decided: Option<DecidedAs>,
    /// What the rules looked at; none where nothing was compared.
    pub(crate) facts: Option<Case>,
    /// The customer the LINE user is linked to by it, or was already.
    pub(crate) customer: Option<CustomerId>,
    /// Made with the activity that came with it.
    pub(crate) own_customer: Option<CustomerId>,
    pub(crate) activity: Option<ActivityId>,
    pub(crate) inquiry: Option<InquiryId>,
    pub(crate) takeover: Option<TakeoverRequestId>,
    pub(crate) review: Option<Review>,
}

/// How an attempt was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecidedAs {
    pub(crate) time: Timestamp,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Reason,
}

/// What staff made of a held attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Review {
    pub(crate) time: Timestamp,
    pub(crate) staff: Option<StaffId>,
    pub(crate) note: Option<Note>,
}

/// What an attempt is found and counted by, and never shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traces<'a> {
    /// What LINE's dialog was given.
    pub(crate) nonce: Option<&'a Nonce>,
    /// A keyed hash of the browser's address.
    pub(crate) address: Option<&'a [u8; 32]>,
    /// Whether it counts towards limits: it came with a form token that was good.
    pub(crate) counts: bool,
}

fn stored(row: &PgRow) -> Result<StoredAttempt, sqlx::Error> {
    let name = PersonName::new(
        row::read(row, "family_name", NamePart::optional)?,
        row::read(row, "given_name", NamePart::optional)?,
        row::read(row, "family_reading", Reading::optional)?,
        row::read(row, "given_reading", Reading::optional)?,
    );
    let decided = match row::get::<Option<Timestamp>>(row, "decide_time")? {
        Some(time) => Some(DecidedAs {
            time,
            outcome: row::word(row, "outcome", Outcome::named)?,
            reason: row::word(row, "reason", Reason::named)?,
        }),
        None => None,
    };
    let review = match row::get::<Option<Timestamp>>(row, "review_time")? {
        Some(time) => Some(Review {
            time,
            staff: row::optional_id(row, "review_staff_id")?,
            note: row::read(row, "review_note", Line::optional)?,
        }),
        None => None,
    };
    Ok(StoredAttempt {
        id: row::id(row, "link_attempt_id")?,
        version: row::get(row, "version")?,
        method: row::word(row, "method", LinkMethod::named)?,
        account: row::id(row, "account_id")?,
        friend: row::id(row, "friend_id")?,
        name: name.ok(),
        mobile: row::get::<Option<String>>(row, "mobile_number")?.map(MobileNumber::kept),
        submit_time: row::get(row, "submit_time")?,
        confirm_until: row::get(row, "confirm_until")?,
        limited: row::get(row, "limited")?,
        told_time: row::get(row, "told_time")?,
        decided,
        // Facts of other rules than these are not decided again.
        facts: row::get::<Option<Json<Value>>>(row, "facts")?
            .and_then(|Json(facts)| serde_json::from_value(facts).ok()),
        customer: row::optional_id(row, "customer_id")?,
        own_customer: row::optional_id(row, "own_customer_id")?,
        activity: row::optional_id(row, "activity_id")?,
        inquiry: row::optional_id(row, "inquiry_id")?,
        takeover: row::optional_id(row, "takeover_request_id")?,
        review,
    })
}

/// Text that is null where it is empty.
fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// Adds an attempt.
pub(crate) async fn insert(tx: &mut TenantTx, attempt: &StoredAttempt, traces: Traces<'_>) -> Result<(), sqlx::Error> {
    let part = |part: fn(&PersonName) -> &str| attempt.name.as_ref().and_then(|name| some(part(name)));
    sqlx::query(
        "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id, family_name,
             given_name, family_reading, given_reading, mobile_number, nonce_hash, address_hash, limited, submit_time,
             confirm_until, told_time, decide_time, outcome, reason, own_customer_id, activity_id, inquiry_id,
             counts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
             $24)",
    )
    .bind(tx.tenant().uuid())
    .bind(attempt.id.uuid())
    .bind(attempt.version)
    .bind(attempt.method.as_str())
    .bind(attempt.account.uuid())
    .bind(attempt.friend.uuid())
    .bind(part(PersonName::family))
    .bind(part(PersonName::given))
    .bind(part(PersonName::family_reading))
    .bind(part(PersonName::given_reading))
    .bind(attempt.mobile.as_ref().map(MobileNumber::as_str))
    .bind(traces.nonce.map(|nonce| nonce.hash().to_vec()))
    .bind(traces.address.map(<[u8; 32]>::as_slice))
    .bind(attempt.limited)
    .bind(attempt.submit_time)
    .bind(attempt.confirm_until)
    .bind(attempt.told_time)
    .bind(attempt.decided.map(|decided| decided.time))
    .bind(attempt.decided.map(|decided| decided.outcome.as_str()))
    .bind(attempt.decided.map(|decided| decided.reason.as_str()))
    .bind(attempt.own_customer.map(CustomerId::uuid))
    .bind(attempt.activity.map(ActivityId::uuid))
    .bind(attempt.inquiry.map(InquiryId::uuid))
    .bind(traces.counts)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps an attempt's new version: what was decided of it.
pub(crate) async fn update(tx: &mut TenantTx, attempt: &StoredAttempt) -> Result<(), sqlx::Error> {
    let review = attempt.review.as_ref();
    sqlx::query(
        "UPDATE identity.link_attempt SET version = $3, told_time = $4, decide_time = $5, outcome = $6, reason = $7, facts = $8,
             customer_id = $9, takeover_request_id = $10, review_time = $11, review_staff_id = $12, review_note = $13
         WHERE tenant_id = $1 AND link_attempt_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(attempt.id.uuid())
    .bind(attempt.version)
    .bind(attempt.told_time)
    .bind(attempt.decided.map(|decided| decided.time))
    .bind(attempt.decided.map(|decided| decided.outcome.as_str()))
    .bind(attempt.decided.map(|decided| decided.reason.as_str()))
    .bind(attempt.facts.as_ref().map(Json))
    .bind(attempt.customer.map(CustomerId::uuid))
    .bind(attempt.takeover.map(TakeoverRequestId::uuid))
    .bind(review.map(|review| review.time))
    .bind(review.and_then(|review| review.staff).map(StaffId::uuid))
    .bind(review.and_then(|review| review.note.as_ref()).map(Line::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes a LINE user's held attempts, but for one, out of the review queue: who the user is was found otherwise. The user is locked.
pub(crate) async fn settle_held(
    tx: &mut TenantTx,
    friend: FriendId,
    but: Option<LinkAttemptId>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.link_attempt SET version = version + 1, review_time = $4
         WHERE tenant_id = $1 AND friend_id = $2 AND link_attempt_id IS DISTINCT FROM $3
             AND outcome = 'HELD' AND review_time IS NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(but.map(LinkAttemptId::uuid))
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives an attempt that waits for LINE's word another nonce: the one before is worth nothing any more.
pub(crate) async fn renew_nonce(tx: &mut TenantTx, id: LinkAttemptId, nonce: &Nonce) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE identity.link_attempt SET nonce_hash = $3 WHERE tenant_id = $1 AND link_attempt_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .bind(nonce.hash().as_slice())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// An attempt.
pub(crate) async fn find(tx: &mut TenantTx, id: LinkAttemptId) -> Result<Option<StoredAttempt>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.link_attempt WHERE tenant_id = $1 AND link_attempt_id = $2")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: LinkAttemptId) -> Result<Option<StoredAttempt>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.link_attempt WHERE tenant_id = $1 AND link_attempt_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The attempt whose nonce LINE told, locked until the transaction ends.
pub(crate) async fn lock_by_nonce(tx: &mut TenantTx, nonce: &Nonce) -> Result<Option<StoredAttempt>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM identity.link_attempt WHERE tenant_id = $1 AND nonce_hash = $2 FOR NO KEY UPDATE")
            .bind(tx.tenant().uuid())
            .bind(nonce.hash().as_slice())
            .fetch_optional(&mut **tx)
            .await?;
    row.as_ref().map(stored).transpose()
}

/// The accounts that attempts came by.
pub(crate) async fn accounts(
    tx: &mut TenantTx,
    ids: &[LinkAttemptId],
) -> Result<HashMap<LinkAttemptId, AccountId>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "SELECT link_attempt_id, account_id FROM identity.link_attempt WHERE tenant_id = $1 AND link_attempt_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|(id, account)| (id.into(), account.into())).collect())
}

/// Which attempts are listed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    /// Those that are about this customer.
    pub(crate) customer: Option<CustomerId>,
    /// Those of this LINE user.
    pub(crate) friend: Option<FriendId>,
    /// Those that are held and that nobody has settled.
    pub(crate) review_queue: bool,
}

/// At most `size` attempts, latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    filter: Filter,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredAttempt>, sqlx::Error> {
    let (time, behind) = after.unzip();
    let statement = match filter {
        Filter { customer: Some(_), .. } => {
            "SELECT a.* FROM identity.link_attempt_customer c
             CROSS JOIN LATERAL (
                 SELECT * FROM identity.link_attempt
                 WHERE tenant_id = $1 AND link_attempt_id = c.link_attempt_id LIMIT 1) a
             WHERE c.tenant_id = $1 AND c.customer_id = $2 AND ($3::uuid IS NULL OR a.friend_id = $3)
                 AND (NOT $4 OR (a.outcome = 'HELD' AND a.review_time IS NULL))
                 AND (c.submit_time, c.link_attempt_id) < (coalesce($5::timestamptz, 'infinity'), $6)
             ORDER BY c.submit_time DESC, c.link_attempt_id DESC LIMIT $7"
        }
        Filter { friend: Some(_), .. } => {
            "SELECT * FROM identity.link_attempt
             WHERE tenant_id = $1 AND friend_id = $3 AND $2::uuid IS NULL
                 AND (NOT $4 OR (outcome = 'HELD' AND review_time IS NULL))
                 AND (submit_time, link_attempt_id) < (coalesce($5::timestamptz, 'infinity'), $6)
             ORDER BY submit_time DESC, link_attempt_id DESC LIMIT $7"
        }
        Filter { review_queue: true, .. } => {
            "SELECT * FROM identity.link_attempt
             WHERE tenant_id = $1 AND $2::uuid IS NULL AND $3::uuid IS NULL AND $4
                 AND outcome = 'HELD' AND review_time IS NULL
                 AND (submit_time, link_attempt_id) < (coalesce($5::timestamptz, 'infinity'), $6)
             ORDER BY submit_time DESC, link_attempt_id DESC LIMIT $7"
        }
        Filter { .. } => {
            "SELECT * FROM identity.link_attempt
             WHERE tenant_id = $1 AND $2::uuid IS NULL AND $3::uuid IS NULL AND NOT $4
                 AND (submit_time, link_attempt_id) < (coalesce($5::timestamptz, 'infinity'), $6)
             ORDER BY submit_time DESC, link_attempt_id DESC LIMIT $7"
        }
    };
    let rows = sqlx::query(statement)
        .bind(tx.tenant().uuid())
        .bind(filter.customer.map(CustomerId::uuid))
        .bind(filter.friend.map(FriendId::uuid))
        .bind(filter.review_queue)
        .bind(time)
        .bind(behind)
        .bind(size)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(stored).collect()
}

/// A LINE user's attempts that LINE told of after `time`, in the order of LINE's clock. LINE tells within the hour of a submission, so
/// that the index by it finds them.
pub(crate) async fn told_after(
    tx: &mut TenantTx,
    friend: FriendId,
    time: Timestamp,
) -> Result<Vec<StoredAttempt>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT * FROM identity.link_attempt
         WHERE tenant_id = $1 AND friend_id = $2 AND submit_time > $3 AND told_time > $4
         ORDER BY told_time, link_attempt_id LIMIT $5",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(time - TimeDelta::hours(1))
    .bind(time)
    .bind(MOST_TOLD_AFTER)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}

/// At most `size` attempts of any tenant that LINE said nothing of until `now`, behind `after`, each with when it was waited for.
pub(crate) async fn unheard(
    database: &Database,
    now: Timestamp,
    after: Position,
    size: i64,
) -> Result<Vec<(Timestamp, TenantId, LinkAttemptId)>, sqlx::Error> {
    let (time, behind) = after;
    let rows: Vec<(Timestamp, Uuid, Uuid)> = sqlx::query_as(
        "SELECT confirm_until, tenant_id, link_attempt_id FROM identity.link_attempt
         WHERE decide_time IS NULL AND confirm_until <= $1
             AND (confirm_until, link_attempt_id) > ($2, $3)
         ORDER BY confirm_until, link_attempt_id LIMIT $4",
    )
    .bind(now)
    .bind(time)
    .bind(behind)
    .bind(size)
    .fetch_all(database.worker())
    .await?;
    Ok(rows.into_iter().map(|(until, tenant, id)| (until, tenant.into(), id.into())).collect())
}
