//! What is said of timers whose moment has come, as events.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DueMessage, DueReminder, FiredTimer, MessagesDue, RemindersDue, TimersDue, TimersMissed};
use contracts::timestamp;
use kernel::{ReminderRuleId, TenantId, Timestamp};
use scheduler_core::Owner;
use scheduler_core::fire::{Fired, Said, Tidings};
use scheduler_core::timer::Timer;

/// A rule of a tenant.
pub(crate) type RuleOf = (TenantId, ReminderRuleId);

/// What each rule has customers told.
pub(crate) type Templates = BTreeMap<RuleOf, String>;

/// The rules whose reminders are due.
pub(super) fn rules(fired: &Fired) -> BTreeSet<RuleOf> {
    let rule = |tenant: TenantId, timer: &Timer| timer.key.reminder().map(|(_, rule, _)| (tenant, rule));
    let reminders = fired.due.iter().filter(|taken| taken.timer.owner == Owner::Reminder);
    reminders.filter_map(|taken| rule(taken.tenant, &taken.timer)).collect()
}

/// The events that say it: none where whoever would hear them asked not to be told, or where the rule of reminders is gone.
pub(super) fn bodies(said: &Said<'_>, templates: &Templates) -> Vec<Body> {
    match (said.owner, &said.tidings) {
        (Owner::Caller(_), Tidings::Due(timers)) => {
            vec![Body::TimersDue(TimersDue { owner: said.owner.as_str().to_owned(), timers: fired(timers) })]
        }
        (Owner::Caller(_), Tidings::Missed(timers)) => {
            vec![Body::TimersMissed(TimersMissed { owner: said.owner.as_str().to_owned(), timers: fired(timers) })]
        }
        (Owner::Message, Tidings::Due(timers)) => {
            let messages: Vec<DueMessage> = timers.iter().filter_map(|timer| message(timer)).collect();
            vec![Body::MessagesDue(MessagesDue { messages })]
        }
        (Owner::Reminder, Tidings::Due(timers)) => reminders(said.tenant, timers, templates),
        (Owner::Message | Owner::Reminder, Tidings::Missed(_)) => Vec::new(),
    }
}

fn fired(timers: &[&Timer]) -> Vec<FiredTimer> {
    let fired = |timer: &&Timer| FiredTimer {
        key: timer.key.as_str().to_owned(),
        generation: timer.generation,
        due_time: Some(timestamp(timer.due)),
    };
    timers.iter().map(fired).collect()
}

fn message(timer: &Timer) -> Option<DueMessage> {
    let message = timer.key.message()?;
    Some(DueMessage {
        message_id: message.to_string(),
        generation: timer.generation,
        due_time: Some(timestamp(timer.due)),
    })
}

fn reminders(tenant: TenantId, timers: &[&Timer], templates: &Templates) -> Vec<Body> {
    let mut by_rule: BTreeMap<ReminderRuleId, Vec<DueReminder>> = BTreeMap::new();
    for timer in timers {
        if let Some((activity, rule, start)) = timer.key.reminder() {
            by_rule.entry(rule).or_default().push(DueReminder {
                activity_id: activity.to_string(),
                start_time: Some(timestamp(start)),
                due_time: Some(timestamp(timer.due)),
                expire_time: Some(timestamp(expiry(timer))),
            });
        }
    }
    let body = |(rule, reminders)| {
        let template = templates.get(&(tenant, rule))?.clone();
        Some(Body::RemindersDue(RemindersDue { rule_id: rule.to_string(), template, reminders }))
    };
    by_rule.into_iter().filter_map(body).collect()
}

/// Until when a reminder is still one: as late as its timer may be.
fn expiry(timer: &Timer) -> Timestamp {
    let late_for = timer.policy.late_for().map(|late_for| TimeDelta::seconds(late_for.seconds().into()));
    late_for.and_then(|late_for| timer.due.checked_add_signed(late_for)).unwrap_or(timer.due)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::events::v1::SchedulerEvent;
    use prost::Message as _;
    use scheduler_core::fire::{self, MOST_OF_AN_EVENT, Taken};
    use scheduler_core::timer::LatePolicy;
    use scheduler_core::{Key, LateFor};
    use uuid::Uuid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_763_769_600 + seconds, 0).unwrap()
    }

    fn taken(owner: &str, key: Key, policy: LatePolicy) -> Taken {
        let timer = Timer { owner: Owner::named(owner).unwrap(), key, generation: 7, due: at(0), policy };
        Taken { tenant: Uuid::from_u128(1).into(), timer }
    }

    fn said(taken: Vec<Taken>, templates: &Templates, now: Timestamp) -> Vec<Body> {
        let fired = fire::merge(taken, now);
        fire::events(&fired, MOST_OF_AN_EVENT).iter().flat_map(|said| bodies(said, templates)).collect()
    }

    #[test]
    fn each_owner_hears_its_own_event() {
        let rule = ReminderRuleId::from(Uuid::from_u128(5));
        let reminder = |number| Key::of_reminder(Uuid::from_u128(number).into(), rule, at(90_000));
        let skip = LatePolicy::Skip { after: LateFor::hours(2) };
        let timers = vec![
            taken("booking", Key::parse("R-77").unwrap(), LatePolicy::default()),
            taken("message", Key::of_message(Uuid::from_u128(3).into()), LatePolicy::Late),
            taken("reminder", reminder(8), skip.clone()),
            taken("reminder", reminder(9), skip),
        ];
        let templates = Templates::from([((Uuid::from_u128(1).into(), rule), "{customer_name}様".to_owned())]);
        let rules = rules(&fire::merge(timers.clone(), at(1)));
        assert_eq!(rules, templates.keys().copied().collect());
        let bodies = said(timers.clone(), &templates, at(1));
        assert!(matches!(&bodies[0], Body::MessagesDue(due) if due.messages[0].generation == 7));
        assert!(matches!(&bodies[1], Body::RemindersDue(due) if due.reminders.len() == 2
            && due.template == "{customer_name}様" && due.reminders[0].expire_time == Some(timestamp(at(7_200)))));
        assert!(matches!(&bodies[2], Body::TimersDue(due) if due.owner == "booking" && due.timers[0].key == "R-77"));
        assert_eq!(said(timers.clone(), &Templates::new(), at(1)).len(), 2, "a rule that is gone says nothing");
        let late = said(timers, &templates, at(90_000));
        assert!(matches!(&late[..], [Body::MessagesDue(_), Body::TimersMissed(_)]), "{late:?}");
    }

    #[test]
    fn the_largest_event_is_well_below_what_the_outbox_takes() {
        let key = |number: usize| Key::parse(&format!("{number:0200}")).unwrap();
        let timers = (0..MOST_OF_AN_EVENT).map(|number| taken("booking", key(number), LatePolicy::Late)).collect();
        let bodies = said(timers, &Templates::new(), at(1));
        let event = SchedulerEvent { body: bodies.into_iter().next() };
        assert!((100_000..200_000).contains(&event.encoded_len()), "{}", event.encoded_len());
    }
}
