//! Reminders of reservations: which timers a reservation has, by the tenant's rules and zone, and what is said when one is due.
//!
//! Whoever plans shares the lock of the tenant's row and whoever changes rules or zone has it alone. So a reservation is planned by the
//! rules that hold, or what changes them finds it and has it planned anew.

use std::collections::BTreeMap;

use chassis::postgres::TenantTx;
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DueReminder, RemindersDue};
use contracts::timestamp;
use kernel::{ActivityId, ReminderRuleId, TenantId, Timestamp};
use scheduler_core::reminder::{Changes, Reservation, Rule, expiry, stands, wanted};
use scheduler_core::timer::Timer;
use scheduler_core::wall_clock::TimeZone;
use scheduler_core::{Key, Owner};
use sqlx::PgConnection;

use crate::postgres::due_reminder::{self, Known};
use crate::postgres::{reminder_rule, timer};

/// The rules of the transaction's tenant, to plan by.
pub(crate) async fn rules(tx: &mut TenantTx) -> Result<Vec<Rule>, sqlx::Error> {
    Ok(reminder_rule::all(tx).await?.into_iter().map(|stored| stored.rule).collect())
}

/// Gives reservations, which are locked, the timers they want at `now`, and no others. The tenant's row is shared.
pub(crate) async fn plan(
    tx: &mut TenantTx,
    reservations: &[Reservation],
    rules: &[Rule],
    zone: TimeZone,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut all = Changes::default();
    for reservation in reservations {
        let prefix = Key::prefix_of_reminders(reservation.activity);
        let standing = timer::standing(tx, &Owner::Reminder, &prefix).await?;
        let standing: Vec<(Key, Timestamp)> = standing.into_iter().map(|timer| (timer.key, timer.due)).collect();
        let Changes { put, cancel } = wanted(rules, reservation, zone, now).changes(&standing);
        all.put.extend(put);
        all.cancel.extend(cancel);
    }
    if !all.cancel.is_empty() {
        timer::cancel(tx, &Owner::Reminder, &all.cancel).await?;
    }
    timer::put_all(tx, &all.put).await?;
    Ok(())
}

/// A reminder whose timer was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    /// Whose it is.
    pub(crate) tenant: TenantId,
    /// The rule it is by.
    pub(crate) rule: ReminderRuleId,
    /// The reservation.
    pub(crate) activity: ActivityId,
    /// When that begins, as the reminder was planned.
    pub(crate) start: Timestamp,
    /// The moment it was for.
    pub(crate) moment: Timestamp,
}

impl Due {
    /// The reminder of a timer; none of any other timer.
    pub(crate) fn of(tenant: TenantId, timer: &Timer) -> Option<Self> {
        let (activity, rule, start) = timer.key.reminder().filter(|_| timer.owner == Owner::Reminder)?;
        Some(Self { tenant, rule, activity, start, moment: timer.due })
    }
}

/// Reminders that are said, of several tenants: those by each rule, and what it has customers told.
#[derive(Debug, Default)]
pub(crate) struct Spoken(BTreeMap<(TenantId, ReminderRuleId), (String, Vec<Told>)>);

/// A reminder that is said, and the version of its reservation that stands.
type Told = (Due, i64);

impl Spoken {
    /// Finds out which of these reminders are said at `now`, in the transaction that takes their timers: those by a rule that is still
    /// there and active, of a reservation that stands, of a tenant who is not suspended.
    pub(crate) async fn among(worker: &mut PgConnection, due: &[Due], now: Timestamp) -> Result<Self, sqlx::Error> {
        if due.is_empty() {
            return Ok(Self::default());
        }
        let known = due_reminder::look_up(worker, due).await?;
        Ok(Self::of(due.iter().zip(known), now))
    }

    fn of<'a>(due: impl IntoIterator<Item = (&'a Due, Option<Known>)>, now: Timestamp) -> Self {
        let mut spoken = BTreeMap::new();
        for (one, known) in due {
            let Some(known) = known else { continue };
            let Known { template, rule_active, suspended, reservation, version } = known;
            if rule_active && !suspended && stands(&reservation, one.start, now) {
                let (_, by_rule) =
                    spoken.entry((one.tenant, one.rule)).or_insert_with(|| (template, Vec::<Told>::new()));
                by_rule.push((*one, version));
            }
        }
        Self(spoken)
    }

    /// The events that say them, each of one rule and of at most `most` reminders.
    pub(crate) fn bodies(&self, most: usize) -> impl Iterator<Item = (TenantId, Body)> {
        self.0.iter().flat_map(move |((tenant, rule), (template, due))| {
            due.chunks(most.max(1)).map(move |chunk| {
                let reminders = chunk.iter().map(told).collect();
                let due = RemindersDue { rule_id: rule.to_string(), template: template.clone(), reminders };
                (*tenant, Body::RemindersDue(due))
            })
        })
    }
}

fn told((due, version): &Told) -> DueReminder {
    DueReminder {
        activity_id: due.activity.to_string(),
        start_time: Some(timestamp(due.start)),
        due_time: Some(timestamp(due.moment)),
        expire_time: Some(timestamp(expiry(due.moment, due.start))),
        activity_version: *version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_763_769_600 + seconds, 0).unwrap()
    }

    fn due(tenant: u128, rule: u128, activity: u128) -> Due {
        let [tenant, rule, activity] = [tenant, rule, activity].map(Uuid::from_u128);
        Due { tenant: tenant.into(), rule: rule.into(), activity: activity.into(), start: at(3_600), moment: at(0) }
    }

    fn known(due: &Due) -> Known {
        let reservation = Reservation { activity: due.activity, active: true, start: due.start };
        let template = format!("{}", due.rule);
        Known { template, rule_active: true, suspended: false, reservation, version: 3 }
    }

    #[test]
    fn reminders_are_said_rule_by_rule_with_what_it_tells_and_until_when() {
        let all = [due(1, 5, 7), due(1, 6, 7), due(1, 5, 8), due(2, 5, 9)];
        let spoken = Spoken::of(all.iter().map(|due| (due, Some(known(due)))), at(1));
        let bodies: Vec<(TenantId, Body)> = spoken.bodies(500).collect();
        assert_eq!(bodies.len(), 3, "a rule of each tenant");
        let Body::RemindersDue(first) = &bodies[0].1 else { panic!("{bodies:?}") };
        assert_eq!((first.template.clone(), first.reminders.len()), (all[0].rule.to_string(), 2));
        assert_eq!(first.reminders[0].expire_time, Some(timestamp(at(3_600))), "as the reservation begins");
        assert_eq!(first.reminders[0].activity_version, 3, "what whoever hears it must have heard of");
        assert_eq!(spoken.bodies(1).count(), 4);
        assert_eq!(Spoken::default().bodies(500).count(), 0);
    }

    #[test]
    fn nothing_is_said_of_what_does_not_stand_any_more() {
        let one = due(1, 5, 7);
        let good = known(&one);
        let moved = Reservation { start: at(7_200), ..good.reservation };
        let cancelled = Reservation { active: false, ..good.reservation };
        let gone = [
            None,
            Some(Known { rule_active: false, ..good.clone() }),
            Some(Known { suspended: true, ..good.clone() }),
            Some(Known { reservation: moved, ..good.clone() }),
            Some(Known { reservation: cancelled, ..good.clone() }),
        ];
        for known in gone {
            assert_eq!(Spoken::of([(&one, known.clone())], at(1)).bodies(500).count(), 0, "{known:?}");
        }
        assert_eq!(Spoken::of([(&one, Some(good.clone()))], at(3_599)).bodies(500).count(), 1);
        assert_eq!(Spoken::of([(&one, Some(good))], at(3_600)).bodies(500).count(), 0, "it has begun");
    }
}
