//! Digest slots that came, and what each staff member was told at one.

use std::collections::BTreeSet;

use chassis::postgres::TenantTx;
use chassis::work_queue::{Job, WorkQueue};
use kernel::{Sight, StaffId, Timestamp};
use messaging_outbox_core::digest::{Due, Outcome, Waiting};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::waiting::sight_of;

/// A slot that came.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) id: Uuid,
    pub(crate) time: Timestamp,
    /// What the wall clock in the tenant's zone showed, as it was said.
    pub(crate) local_time: String,
    /// Who gets it; empty: everybody who is active.
    pub(crate) recipients: Vec<Uuid>,
    pub(crate) due: Due,
}

/// Slots whose staff are being told; a job is about a slot.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "messaging.digest_slot", subject: "digest_slot_id", due: "due", attempts: "attempts" };

/// Has a slot's staff told; one that came before changes nothing.
pub(crate) async fn begin(tx: &mut TenantTx, slot: &Slot) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.digest_slot
             (tenant_id, digest_slot_id, slot_time, local_time, recipient_ids, send_empty, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(slot.id)
    .bind(slot.time)
    .bind(&slot.local_time)
    .bind(&slot.recipients)
    .bind(slot.due.send_empty)
    .bind(slot.due.expire)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A slot in hand, and up to whom its staff have been told; none when somebody else has it in hand. Nobody else tells its staff until
/// the transaction ends.
pub(crate) async fn hold(tx: &mut TenantTx, job: &Job) -> Result<Option<(Slot, Uuid)>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT slot_time, local_time, recipient_ids, send_empty, expire_time, behind FROM messaging.digest_slot
         WHERE tenant_id = $1 AND digest_slot_id = $2 AND claim = $3 AND due < 'infinity' FOR UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(job.subject)
    .bind(job.claim)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let due = Due { send_empty: row.try_get("send_empty")?, expire: row.try_get("expire_time")? };
    let slot = Slot {
        id: job.subject,
        time: row.try_get("slot_time")?,
        local_time: row.try_get("local_time")?,
        recipients: row.try_get("recipient_ids")?,
        due,
    };
    Ok(Some((slot, row.try_get("behind")?)))
}

/// The staff up to `behind` have theirs; `more`: there are others, for whom the claim is kept for another `lease` seconds.
pub(crate) async fn go_on(
    tx: &mut TenantTx,
    slot: Uuid,
    behind: Option<StaffId>,
    more: Option<f64>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.digest_slot
         SET behind = coalesce($3, behind), due = coalesce(now() + make_interval(secs => $4), 'infinity')
         WHERE tenant_id = $1 AND digest_slot_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(slot)
    .bind(behind.map(StaffId::uuid))
    .bind(more)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The next of a slot's staff behind `behind`, and what each sees: those who are active.
pub(crate) async fn recipients(
    tx: &mut TenantTx,
    slot: &Slot,
    behind: Uuid,
    limit: i64,
) -> Result<Vec<(StaffId, Sight)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT staff_id, administrator, organization_ids, rights FROM messaging.staff_replica
         WHERE tenant_id = $1 AND staff_id > $2 AND active AND ($3::uuid[] = '{}' OR staff_id = ANY ($3))
         ORDER BY staff_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(behind)
    .bind(&slot.recipients)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((row.try_get::<Uuid, _>("staff_id")?.into(), sight_of(row)?))).collect()
}

/// What a staff member was told at a slot.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) staff: StaffId,
    pub(crate) slot_time: Timestamp,
    pub(crate) outcome: Outcome,
    pub(crate) waiting: Waiting,
    /// Empty where nothing was sent.
    pub(crate) title: String,
    pub(crate) body: String,
}

/// Keeps what staff were told, once for each of them and slot; tells for whom that was new.
pub(crate) async fn insert(tx: &mut TenantTx, told: &[Told]) -> Result<BTreeSet<StaffId>, sqlx::Error> {
    let counts = |of: fn(&Waiting) -> u64| {
        told.iter().map(|one| i64::try_from(of(&one.waiting)).unwrap_or(i64::MAX)).collect::<Vec<_>>()
    };
    let new: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO messaging.digest
             (tenant_id, slot_time, staff_id, outcome, conversations, messages, unlinked, put_off, oldest_time, title, body)
         SELECT $1, d.* FROM unnest($2::timestamptz[], $3::uuid[], $4::int2[], $5::int8[], $6::int8[], $7::int8[], $8::int8[],
             $9::timestamptz[], $10::text[], $11::text[]) AS d
         ON CONFLICT DO NOTHING RETURNING staff_id",
    )
    .bind(tx.tenant().uuid())
    .bind(told.iter().map(|one| one.slot_time).collect::<Vec<_>>())
    .bind(told.iter().map(|one| one.staff.uuid()).collect::<Vec<_>>())
    .bind(told.iter().map(|one| one.outcome.code()).collect::<Vec<_>>())
    .bind(counts(|waiting| waiting.conversations))
    .bind(counts(|waiting| waiting.messages))
    .bind(counts(|waiting| waiting.unlinked))
    .bind(counts(|waiting| waiting.put_off))
    .bind(told.iter().map(|one| one.waiting.oldest).collect::<Vec<_>>())
    .bind(told.iter().map(|one| one.title.as_str()).collect::<Vec<_>>())
    .bind(told.iter().map(|one| one.body.as_str()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    Ok(new.into_iter().map(StaffId::from).collect())
}

/// Lists digests, of one staff member or of all, behind `after`, the latest slot first; with when each was made.
pub(crate) async fn list(
    tx: &mut TenantTx,
    staff: Option<StaffId>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<(Told, Timestamp)>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT * FROM messaging.digest
         WHERE tenant_id = $1 AND ($2::uuid IS NULL OR staff_id = $2)
             AND (slot_time, staff_id) < (coalesce($3::timestamptz, 'infinity'), $4)
         ORDER BY slot_time DESC, staff_id DESC LIMIT $5",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.map(StaffId::uuid))
    .bind(time)
    .bind(id)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok((told(row)?, row.try_get("create_time")?))).collect()
}

fn told(row: &PgRow) -> Result<Told, sqlx::Error> {
    let count = |name: &str| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(name)?.unsigned_abs());
    Ok(Told {
        staff: row.try_get::<Uuid, _>("staff_id")?.into(),
        slot_time: row.try_get("slot_time")?,
        outcome: Outcome::from_code(row.try_get("outcome")?).unwrap_or(Outcome::Expired),
        waiting: Waiting {
            conversations: count("conversations")?,
            messages: count("messages")?,
            unlinked: count("unlinked")?,
            put_off: count("put_off")?,
            oldest: row.try_get("oldest_time")?,
        },
        title: row.try_get("title")?,
        body: row.try_get("body")?,
    })
}

/// Whether the transaction's tenant has this staff member.
pub(crate) async fn is_known(tx: &mut TenantTx, staff: StaffId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM messaging.staff_replica WHERE tenant_id = $1 AND staff_id = $2)")
        .bind(tx.tenant().uuid())
        .bind(staff.uuid())
        .fetch_one(&mut **tx)
        .await
}
