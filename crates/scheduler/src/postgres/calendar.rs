//! The calendar over all tenants: whose timers are due soon, taking them, entering those whose moment comes near. As the worker role.

use chrono::TimeDelta;
use kernel::{TenantId, Timestamp};
use scheduler_core::calendar::AHEAD;
use scheduler_core::fire::Taken;
use scheduler_core::{Owner, turn};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgExecutor, Row as _};
use uuid::Uuid;

use super::row::{self, Columns};

/// Where a look over all tenants goes on: the part, and the tenant behind whom.
pub(crate) type Place = (i16, Uuid);

/// The words of owners whose timers this version leaves to another.
fn unspoken() -> Vec<&'static str> {
    Owner::unspoken().collect()
}

/// A tenant's first timer in the calendar.
#[derive(Clone, Copy, Debug, FromRow)]
pub(crate) struct Head {
    /// Which part the tenant belongs to.
    of_part: i16,
    /// The tenant.
    tenant: Uuid,
    /// The moment of its first timer.
    pub(crate) first: Timestamp,
    /// What the database's clock said.
    pub(crate) moment: Timestamp,
}

impl Head {
    /// Whose it is.
    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant.into()
    }

    /// Where the next look begins.
    pub(crate) fn place(&self) -> Place {
        (self.of_part, self.tenant)
    }
}

/// The first `most` tenants behind a place whose first timer is due within so long of the database's clock.
pub(crate) async fn heads(
    worker: impl PgExecutor<'_>,
    (part, behind): Place,
    within: TimeDelta,
    most: i32,
) -> Result<Vec<Head>, sqlx::Error> {
    sqlx::query_as("SELECT of_part, tenant, first, moment FROM scheduler.timer_heads($1, $2, $3, $4, $5, $6)")
        .bind(i32::from(part))
        .bind(i32::from(turn::PARTS) - 1)
        .bind(behind)
        .bind(within)
        .bind(most)
        .bind(unspoken())
        .fetch_all(worker)
        .await
}

/// What is left of a tenant's timers in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Somebody else has the tenant in hand.
    Busy,
    /// So many were taken, and this is the next moment that is left; none: nothing is there any more.
    Next {
        /// How many were taken.
        taken: i64,
        /// The moment.
        due: Option<Timestamp>,
    },
}

/// What was taken.
#[derive(Debug, Default)]
pub(crate) struct Take {
    /// The moment it was done at: `ahead` of the database's clock as the transaction began. None: no tenant was asked for.
    pub(crate) moment: Option<Timestamp>,
    /// The timers, by tenant, moment and key.
    pub(crate) timers: Vec<Taken>,
    /// What is left of each tenant's; a tenant that is missing was not come to.
    pub(crate) rests: Vec<(TenantId, Rest)>,
}

/// Takes timers of these tenants that are due at `ahead` of the database's clock, `share` of each at most, until [`turn::BATCH`] are
/// taken. They are gone with the transaction's commit, and the tenants are its own until then.
pub(crate) async fn take(
    tx: &mut PgConnection,
    tenants: &[TenantId],
    share: i32,
    ahead: TimeDelta,
) -> Result<Take, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT tenant, of_owner, named, version, due_at, late_policy, late, merges_into, moment
         FROM scheduler.timer_take($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenants.iter().map(|tenant| turn::part(*tenant)).collect::<Vec<_>>())
    .bind(tenants.iter().map(|tenant| tenant.uuid()).collect::<Vec<_>>())
    .bind(share)
    .bind(turn::BATCH)
    .bind(ahead)
    .bind(unspoken())
    .fetch_all(tx)
    .await?;
    let mut take = Take::default();
    for row in &rows {
        let tenant = TenantId::from(row.try_get::<Uuid, _>("tenant")?);
        if row.try_get::<Option<&str>, _>("of_owner")?.is_some() {
            take.timers.push(Taken { tenant, timer: row::timer(columns(row)?)? });
        } else {
            take.moment = Some(row.try_get("moment")?);
            let rest = match row.try_get("version")? {
                ..0 => Rest::Busy,
                taken => Rest::Next { taken, due: row.try_get("due_at")? },
            };
            take.rests.push((tenant, rest));
        }
    }
    take.timers.sort_by(|one, other| {
        let place = |taken: &Taken| (taken.tenant, taken.timer.due);
        place(one).cmp(&place(other)).then_with(|| one.timer.key.cmp(&other.timer.key))
    });
    Ok(take)
}

fn columns(row: &PgRow) -> Result<Columns, sqlx::Error> {
    Ok((
        row.try_get("of_owner")?,
        row.try_get("named")?,
        row.try_get("version")?,
        row.try_get("due_at")?,
        row.try_get("late_policy")?,
        row.try_get("late")?,
        row.try_get("merges_into")?,
    ))
}

/// Timers that were entered into the calendar: whose, with the first moment of each tenant's, and how many.
pub(crate) type Entered = (Uuid, Timestamp, i64);

/// Enters at most `most` timers whose moment is near, at `ahead` of the database's clock, into the calendar.
pub(crate) async fn enter(
    worker: impl PgExecutor<'_>,
    ahead: TimeDelta,
    most: i32,
) -> Result<Vec<Entered>, sqlx::Error> {
    sqlx::query_as("SELECT tenant, first, entered FROM scheduler.timer_enter($1, $2)")
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
