//! The calendar over all tenants: where timers are due, taking them, entering those whose moment comes near. As the worker role.

use chrono::TimeDelta;
use kernel::{TenantId, Timestamp};
use scheduler_core::Owner;
use scheduler_core::calendar::AHEAD;
use scheduler_core::fire::Taken;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row as _};
use uuid::Uuid;

use super::row::{self, Columns};

/// A part that is to be looked into, and the tenant behind whom to begin; nil: at the first.
pub(crate) type Place = (i16, Uuid);

/// A tenant with due timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Which part it belongs to.
    pub(crate) part: i16,
    /// The tenant.
    pub(crate) tenant: TenantId,
}

/// How a look into a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// To its end. The next moment in it; none where the calendar has nothing more of it.
    All(Option<Timestamp>),
    /// Up to this tenant: enough were found.
    UpTo(Uuid),
    /// Somebody else works on it.
    Busy,
}

/// What a look found. What it saw of a part is locked for the transaction; a part that is not among them was not looked into.
#[derive(Debug)]
pub(crate) struct Look {
    /// The moment it was made at, by the database's clock.
    pub(crate) moment: Option<Timestamp>,
    /// The tenants with due timers.
    pub(crate) heads: Vec<Head>,
    /// The parts looked into.
    pub(crate) parts: Vec<(i16, Seen)>,
}

#[derive(FromRow)]
struct Line {
    outcome: i16,
    of_part: i16,
    tenant: Uuid,
    first: Option<Timestamp>,
    moment: Timestamp,
}

/// The words of owners whose timers this version leaves to another.
fn unspoken() -> Vec<&'static str> {
    Owner::unspoken().collect()
}

/// Looks for tenants with timers due at `ahead` of the database's clock, in these parts one after the other, until `most` are found.
pub(crate) async fn look(
    tx: &mut PgConnection,
    places: &[Place],
    ahead: TimeDelta,
    most: usize,
) -> Result<Look, sqlx::Error> {
    let (parts, begins): (Vec<i16>, Vec<Uuid>) = places.iter().copied().unzip();
    let lines: Vec<Line> =
        sqlx::query_as("SELECT outcome, of_part, tenant, first, moment FROM scheduler.timer_look($1, $2, $3, $4, $5)")
            .bind(parts)
            .bind(begins)
            .bind(ahead)
            .bind(i32::try_from(most).unwrap_or(i32::MAX))
            .bind(unspoken())
            .fetch_all(tx)
            .await?;
    let mut look = Look { moment: lines.first().map(|line| line.moment), heads: Vec::new(), parts: Vec::new() };
    for line in lines {
        match line.outcome {
            1 => look.heads.push(Head { part: line.of_part, tenant: line.tenant.into() }),
            2 => look.parts.push((line.of_part, Seen::All(line.first))),
            3 => look.parts.push((line.of_part, Seen::UpTo(line.tenant))),
            _ => look.parts.push((line.of_part, Seen::Busy)),
        }
    }
    Ok(look)
}

/// What was taken.
#[derive(Debug, Default)]
pub(crate) struct Take {
    /// The timers, by tenant, moment and key.
    pub(crate) timers: Vec<Taken>,
    /// The next moment each tenant has left in the calendar; none where it has nothing there any more.
    pub(crate) next: Vec<(Head, Option<Timestamp>)>,
}

/// Takes `share` due timers of each of these tenants at most, in one of whose parts the transaction looked: they are gone with its
/// commit.
pub(crate) async fn take(
    tx: &mut PgConnection,
    heads: &[Head],
    share: i32,
    ahead: TimeDelta,
) -> Result<Take, sqlx::Error> {
    let (parts, tenants): (Vec<i16>, Vec<Uuid>) = heads.iter().map(|head| (head.part, head.tenant.uuid())).unzip();
    let rows = sqlx::query(
        "SELECT tenant, of_owner, named, version, moment, late_policy, late, merges_into
         FROM scheduler.timer_take($1, $2, $3, $4, $5)",
    )
    .bind(parts)
    .bind(tenants)
    .bind(share)
    .bind(ahead)
    .bind(unspoken())
    .fetch_all(tx)
    .await?;
    let mut take = Take::default();
    let mut each = heads.iter();
    for row in &rows {
        if row.try_get::<Option<&str>, _>("of_owner")?.is_some() {
            take.timers.push(taken(row)?);
        } else if let Some(head) = each.next() {
            take.next.push((*head, row.try_get("moment")?));
        }
    }
    take.timers.sort_by(|one, other| {
        let place = |taken: &Taken| (taken.tenant, taken.timer.due);
        place(one).cmp(&place(other)).then_with(|| one.timer.key.cmp(&other.timer.key))
    });
    Ok(take)
}

fn taken(row: &PgRow) -> Result<Taken, sqlx::Error> {
    let columns: Columns = (
        row.try_get("of_owner")?,
        row.try_get("named")?,
        row.try_get("version")?,
        row.try_get("moment")?,
        row.try_get("late_policy")?,
        row.try_get("late")?,
        row.try_get("merges_into")?,
    );
    Ok(Taken { tenant: row.try_get::<Uuid, _>("tenant")?.into(), timer: row::timer(columns)? })
}

/// Timers that were entered into the calendar: of which parts, with the first moment in each, and how many.
pub(crate) type Entered = (i16, Timestamp, i64);

/// Enters at most `most` timers whose moment is near, at `ahead` of the database's clock, into the calendar.
pub(crate) async fn enter(
    worker: impl PgExecutor<'_>,
    ahead: TimeDelta,
    most: i32,
) -> Result<Vec<Entered>, sqlx::Error> {
    sqlx::query_as("SELECT of_part, first, entered FROM scheduler.timer_enter($1, $2)")
        .bind(AHEAD + ahead)
        .bind(most)
        .fetch_all(worker)
        .await
}

/// What stands in the calendar.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Figures {
    /// Timers.
    pub(crate) near: f64,
    /// Those of them whose moment has come.
    pub(crate) overdue: f64,
    /// For how long the moment of the first of those has passed, in seconds.
    pub(crate) oldest: f64,
}

/// Counts the calendar at `ahead` of the database's clock.
pub(crate) async fn figures(worker: impl PgExecutor<'_>, ahead: TimeDelta) -> Result<Figures, sqlx::Error> {
    sqlx::query_as(
        "SELECT count(*)::float8 AS near, count(*) FILTER (WHERE due <= now() + $1)::float8 AS overdue,
             greatest(coalesce(extract(epoch FROM now() + $1 - min(due)), 0), 0)::float8 AS oldest
         FROM scheduler.timer WHERE near",
    )
    .bind(ahead)
    .fetch_one(worker)
    .await
}
