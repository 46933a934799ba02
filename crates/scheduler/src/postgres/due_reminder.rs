//! What is known of reminders whose timers were taken, over all tenants, by the worker role.

use std::fmt;

use kernel::Timestamp;
use scheduler_core::reminder::Reservation;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::reminder::Due;

/// The rule, the tenant and the reservation of a reminder.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// What the rule has customers told.
    pub(crate) template: String,
    /// Whether the rule reminds anybody.
    pub(crate) rule_active: bool,
    /// Whether nothing is said for the tenant.
    pub(crate) suspended: bool,
    /// The reservation as it stands.
    pub(crate) reservation: Reservation,
    /// Which of its versions that is.
    pub(crate) version: i64,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("reservation", &self.reservation).finish_non_exhaustive()
    }
}

/// A reminder's place among those asked for, and the columns of [`Known`].
type Columns = (i64, String, bool, bool, Uuid, bool, Timestamp, i64);

/// What is known of each of these reminders, in their order; none where the rule or the reservation is gone.
pub(crate) async fn look_up(worker: &mut PgConnection, due: &[Due]) -> Result<Vec<Option<Known>>, sqlx::Error> {
    let column = |of: fn(&Due) -> Uuid| due.iter().map(of).collect::<Vec<_>>();
    // Each row by its key, so that no plan reads a table.
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT d.place, k.template, k.rule_active, k.suspended, k.activity_id, k.active, k.start_time, k.version
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS d (tenant_id, rule_id, activity_id, place)
         CROSS JOIN LATERAL (
             SELECT u.template, u.active AS rule_active, t.suspended, v.activity_id, v.active, v.start_time, v.version
             FROM scheduler.reminder_rule u
             JOIN scheduler.tenant_replica t ON t.tenant_id = d.tenant_id
             JOIN scheduler.reservation v ON v.tenant_id = d.tenant_id AND v.activity_id = d.activity_id
             WHERE u.tenant_id = d.tenant_id AND u.rule_id = d.rule_id LIMIT 1) k",
    )
    .bind(column(|due| due.tenant.uuid()))
    .bind(column(|due| due.rule.uuid()))
    .bind(column(|due| due.activity.uuid()))
    .fetch_all(worker)
    .await?;
    let mut known = vec![None; due.len()];
    for (place, template, rule_active, suspended, activity, active, start, version) in rows {
        let reservation = Reservation { activity: activity.into(), active, start };
        let place = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
        if let Some(found) = place.and_then(|place| known.get_mut(place)) {
            *found = Some(Known { template, rule_active, suspended, reservation, version });
        }
    }
    Ok(known)
}
