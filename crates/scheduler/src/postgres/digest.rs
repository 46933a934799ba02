//! When each tenant's digest comes.

use std::collections::BTreeSet;

use chassis::ClockTurn;
use chassis::postgres::{Database, TenantTx};
use chrono::NaiveDate;
use kernel::{StaffId, TenantId, Timestamp};
use scheduler_core::LateFor;
use scheduler_core::digest::{DigestSettings, Recipients};
use scheduler_core::slot::{Quiet, Weekdays};
use scheduler_core::wall_clock::MinuteOfDay;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use uuid::Uuid;

use super::damaged;

/// The schedule of a tenant's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Of the settings; rises with every change of them.
    pub(crate) version: i64,
    /// The settings.
    pub(crate) settings: DigestSettings,
    /// The moment of the last slot that was said or passed over.
    pub(crate) last: Timestamp,
    /// When to look again; never, if no slot comes any more.
    pub(crate) next: Option<Timestamp>,
}

fn read(row: &PgRow) -> Result<Schedule, sqlx::Error> {
    let times: Vec<i16> = row.try_get("times")?;
    let times = times.into_iter().map(|time| MinuteOfDay::parse(time.into()));
    let recipients: Vec<Uuid> = row.try_get("recipients")?;
    let settings = DigestSettings {
        times: times.collect::<Result<_, _>>().map_err(|unfit| damaged("times", unfit))?,
        quiet: Quiet {
            weekdays: Weekdays::from_bits(row.try_get("quiet_weekdays")?),
            dates: row.try_get::<Vec<NaiveDate>, _>("quiet_dates")?.into_iter().collect(),
        },
        recipients: Recipients::named(recipients.into_iter().map(StaffId::from).collect()),
        late_for: LateFor::from_seconds(row.try_get("late_seconds")?),
        send_empty: row.try_get("send_empty")?,
    };
    let (last, next) = (row.try_get("last_slot")?, row.try_get("next_slot")?);
    Ok(Schedule { version: row.try_get("version")?, settings, last, next })
}

/// The named recipients; none: everybody.
pub(crate) fn named(recipients: &Recipients) -> BTreeSet<StaffId> {
    match recipients {
        Recipients::Everybody => BTreeSet::new(),
        Recipients::These(staff) => staff.clone(),
    }
}

/// Makes the schedule of the transaction's tenant, unless it has one; whether it had none.
pub(crate) async fn insert(tx: &mut TenantTx, schedule: &Schedule) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO scheduler.digest_schedule (tenant_id, version, times, quiet_weekdays, quiet_dates, recipients,
             late_seconds, send_empty, last_slot, next_slot)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
    );
    let inserted = bound(query, tx, schedule).execute(&mut **tx).await?;
    Ok(inserted.rows_affected() > 0)
}

/// A statement about a schedule, with all that is kept of it as its values: the tenant first, then its columns in the table's order.
fn bound(
    query: Query<'static, Postgres, PgArguments>,
    tx: &TenantTx,
    schedule: &Schedule,
) -> Query<'static, Postgres, PgArguments> {
    let settings = &schedule.settings;
    query
        .bind(tx.tenant().uuid())
        .bind(schedule.version)
        .bind(settings.times.iter().map(|time| time.number()).collect::<Vec<i16>>())
        .bind(settings.quiet.weekdays.bits())
        .bind(settings.quiet.dates.iter().copied().collect::<Vec<NaiveDate>>())
        .bind(named(&settings.recipients).into_iter().map(StaffId::uuid).collect::<Vec<Uuid>>())
        .bind(settings.late_for.seconds())
        .bind(settings.send_empty)
        .bind(schedule.last)
        .bind(schedule.next)
}

/// The schedule of the transaction's tenant.
pub(crate) async fn find(tx: &mut TenantTx) -> Result<Option<Schedule>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM scheduler.digest_schedule WHERE tenant_id = $1");
    query.bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// The same, to be changed.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<Option<Schedule>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM scheduler.digest_schedule WHERE tenant_id = $1 FOR UPDATE");
    query.bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?.as_ref().map(read).transpose()
}

/// The same, if it is due and nobody else has it in hand; and the present moment by the database's clock.
pub(crate) async fn lock_due(
    tx: &mut TenantTx,
    turn: &ClockTurn,
) -> Result<Option<(Schedule, Timestamp)>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT *, clock_timestamp() + $2 AS present FROM scheduler.digest_schedule
         WHERE tenant_id = $1 AND next_slot <= clock_timestamp() + $2 FOR UPDATE SKIP LOCKED",
    )
    .bind(tx.tenant().uuid())
    .bind(turn.ahead())
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| Ok((read(&row)?, row.try_get("present")?))).transpose()
}

/// Keeps the schedule as it stands now. It is locked.
pub(crate) async fn update(tx: &mut TenantTx, schedule: &Schedule) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE scheduler.digest_schedule
         SET version = $2, times = $3, quiet_weekdays = $4, quiet_dates = $5, recipients = $6, late_seconds = $7,
             send_empty = $8, last_slot = $9, next_slot = $10
         WHERE tenant_id = $1",
    );
    bound(query, tx, schedule).execute(&mut **tx).await?;
    Ok(())
}

/// Tenants whose schedules are due, behind the place of the last one seen, at most so many: their slots and IDs, in that order.
pub(crate) async fn due(
    database: &Database,
    turn: &ClockTurn,
    after: (Timestamp, Uuid),
    most: i64,
) -> Result<Vec<(Timestamp, TenantId)>, sqlx::Error> {
    let rows: Vec<(Timestamp, Uuid)> = sqlx::query_as(
        "SELECT next_slot, tenant_id FROM scheduler.digest_schedule
         WHERE next_slot <= now() + $1 AND (next_slot, tenant_id) > ($2, $3) ORDER BY next_slot, tenant_id LIMIT $4",
    )
    .bind(turn.ahead())
    .bind(after.0)
    .bind(after.1)
    .bind(most)
    .fetch_all(database.worker())
    .await?;
    Ok(rows.into_iter().map(|(slot, tenant)| (slot, tenant.into())).collect())
}

/// For how many seconds the oldest schedule has been due, over all tenants; 0 where none is.
pub(crate) async fn overdue(database: &Database, turn: &ClockTurn) -> Result<f64, sqlx::Error> {
    let text = "SELECT greatest(0, coalesce(extract(epoch FROM now() + $1 - (
        SELECT min(next_slot) FROM scheduler.digest_schedule WHERE next_slot IS NOT NULL)), 0))::float8";
    sqlx::query_scalar(text).bind(turn.ahead()).fetch_one(database.worker()).await
}
