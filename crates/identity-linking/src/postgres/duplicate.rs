//! Customers that may be one person twice.

use chassis::postgres::TenantTx;
use identity_linking_core::Line;
use identity_linking_core::link::Note;
use identity_linking_core::matching::DuplicateSign;
use kernel::{CustomerId, DuplicateSuspicionId, LinkAttemptId, Timestamp};
use sqlx::postgres::PgRow;

use super::row::{self, Position, UnknownWord};

/// A suspicion as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredSuspicion {
    pub(crate) id: DuplicateSuspicionId,
    /// Two customers, in any order.
    pub(crate) pair: (CustomerId, CustomerId),
    pub(crate) signs: Vec<DuplicateSign>,
    pub(crate) attempt: LinkAttemptId,
    pub(crate) create_time: Timestamp,
    pub(crate) dismiss_time: Option<Timestamp>,
    pub(crate) note: Option<Note>,
}

fn stored(row: &PgRow) -> Result<StoredSuspicion, sqlx::Error> {
    let words: Vec<String> = row::get(row, "signs")?;
    let signs = words.iter().map(|word| DuplicateSign::named(word)).collect::<Option<_>>();
    Ok(StoredSuspicion {
        id: row::id(row, "duplicate_suspicion_id")?,
        pair: (row::id(row, "customer_id")?, row::id(row, "other_customer_id")?),
        signs: signs.ok_or_else(|| row::damaged("signs", UnknownWord))?,
        attempt: row::id(row, "link_attempt_id")?,
        create_time: row::get(row, "create_time")?,
        dismiss_time: row::get(row, "dismiss_time")?,
        note: row::read(row, "note", Line::optional)?,
    })
}

/// Files a suspicion, or adds what makes a pair look alike that is suspected; what staff dismissed does not come again.
pub(crate) async fn file(tx: &mut TenantTx, suspicion: &StoredSuspicion) -> Result<bool, sqlx::Error> {
    let (one, other) = suspicion.pair;
    let filed = sqlx::query(
        "INSERT INTO identity.duplicate_suspicion AS s
             (tenant_id, duplicate_suspicion_id, customer_id, other_customer_id, signs, link_attempt_id, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, customer_id, other_customer_id) DO UPDATE
         SET signs = ARRAY (SELECT DISTINCT sign FROM unnest(s.signs || excluded.signs) AS u (sign) ORDER BY sign)
         WHERE s.dismiss_time IS NULL AND NOT s.signs @> excluded.signs",
    )
    .bind(tx.tenant().uuid())
    .bind(suspicion.id.uuid())
    .bind(one.min(other).uuid())
    .bind(one.max(other).uuid())
    .bind(suspicion.signs.iter().map(|sign| sign.as_str()).collect::<Vec<_>>())
    .bind(suspicion.attempt.uuid())
    .bind(suspicion.create_time)
    .execute(&mut **tx)
    .await?;
    Ok(filed.rows_affected() == 1)
}

/// A suspicion, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: DuplicateSuspicionId) -> Result<Option<StoredSuspicion>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.duplicate_suspicion
         WHERE tenant_id = $1 AND duplicate_suspicion_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// A suspicion.
pub(crate) async fn find(tx: &mut TenantTx, id: DuplicateSuspicionId) -> Result<Option<StoredSuspicion>, sqlx::Error> {
    let row =
        sqlx::query("SELECT * FROM identity.duplicate_suspicion WHERE tenant_id = $1 AND duplicate_suspicion_id = $2")
            .bind(tx.tenant().uuid())
            .bind(id.uuid())
            .fetch_optional(&mut **tx)
            .await?;
    row.as_ref().map(stored).transpose()
}

/// Notes that staff dismissed a suspicion.
pub(crate) async fn dismiss(tx: &mut TenantTx, suspicion: &StoredSuspicion) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.duplicate_suspicion SET dismiss_time = $3, note = $4
         WHERE tenant_id = $1 AND duplicate_suspicion_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(suspicion.id.uuid())
    .bind(suspicion.dismiss_time)
    .bind(suspicion.note.as_ref().map(Line::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

macro_rules! select_suspicions {
    ($of:literal) => {
        concat!(
            "SELECT d.* FROM ",
            $of,
            " d
             WHERE ($3 OR d.dismiss_time IS NULL)
                 AND NOT EXISTS (SELECT FROM identity.customer c WHERE c.tenant_id = $1
                     AND c.customer_id IN (d.customer_id, d.other_customer_id) AND c.merged_into IS NOT NULL)
                 AND (d.create_time, d.duplicate_suspicion_id) < (coalesce($4::timestamptz, 'infinity'), $5)
             ORDER BY d.create_time DESC, d.duplicate_suspicion_id DESC LIMIT $6"
        )
    };
}

/// At most `size` suspicions, latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    customer: Option<CustomerId>,
    include_dismissed: bool,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredSuspicion>, sqlx::Error> {
    let (time, behind) = after.unzip();
    // Two texts, for a customer is found by either side of a pair, and each has an index.
    let rows = sqlx::query(match customer {
        Some(_) => select_suspicions!(
            "(SELECT * FROM identity.duplicate_suspicion WHERE tenant_id = $1 AND customer_id = $2
              UNION ALL
              SELECT * FROM identity.duplicate_suspicion WHERE tenant_id = $1 AND other_customer_id = $2)"
        ),
        None => {
            select_suspicions!("(SELECT * FROM identity.duplicate_suspicion WHERE tenant_id = $1 AND $2::uuid IS NULL)")
        }
    })
    .bind(tx.tenant().uuid())
    .bind(customer.map(CustomerId::uuid))
    .bind(include_dismissed)
    .bind(time)
    .bind(behind)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}
