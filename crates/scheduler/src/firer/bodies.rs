//! What is said of timers whose moment has come, as events.

use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DueMessage, FiredTimer, MessagesDue, TimersDue, TimersMissed};
use contracts::timestamp;
use scheduler_core::Owner;
use scheduler_core::fire::{Said, Tidings};
use scheduler_core::timer::Timer;

/// The event that says it: none where whoever would hear it asked not to be told, and of reminders, which are told rule by rule.
pub(super) fn body(said: &Said<'_>) -> Option<Body> {
    let owner = || said.owner.as_str().to_owned();
    match (said.owner, &said.tidings) {
        (Owner::Caller(_), Tidings::Due(timers)) => {
            Some(Body::TimersDue(TimersDue { owner: owner(), timers: fired(timers) }))
        }
        (Owner::Caller(_), Tidings::Missed(timers)) => {
            Some(Body::TimersMissed(TimersMissed { owner: owner(), timers: fired(timers) }))
        }
        (Owner::Message, Tidings::Due(timers)) => {
            let messages = timers.iter().filter_map(|timer| message(timer)).collect();
            Some(Body::MessagesDue(MessagesDue { messages }))
        }
        (Owner::Message, Tidings::Missed(_)) | (Owner::Reminder, _) => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::events::v1::SchedulerEvent;
    use kernel::{ReminderRuleId, Timestamp};
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

    fn said(taken: Vec<Taken>, now: Timestamp) -> Vec<Body> {
        let fired = fire::merge(taken, now);
        fire::events(&fired, MOST_OF_AN_EVENT).iter().filter_map(body).collect()
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
        let bodies = said(timers.clone(), at(1));
        assert_eq!(bodies.len(), 2, "reminders are told rule by rule");
        assert!(matches!(&bodies[0], Body::MessagesDue(due) if due.messages[0].generation == 7));
        assert!(matches!(&bodies[1], Body::TimersDue(due) if due.owner == "booking" && due.timers[0].key == "R-77"));
        let late = said(timers, at(90_000));
        assert!(matches!(&late[..], [Body::MessagesDue(_), Body::TimersMissed(_)]), "{late:?}");
    }

    #[test]
    fn the_largest_event_is_well_below_what_the_outbox_takes() {
        let key = |number: usize| Key::parse(&format!("{number:0200}")).unwrap();
        let timers = (0..MOST_OF_AN_EVENT).map(|number| taken("booking", key(number), LatePolicy::Late)).collect();
        let bodies = said(timers, at(1));
        let event = SchedulerEvent { body: bodies.into_iter().next() };
        assert!((100_000..200_000).contains(&event.encoded_len()), "{}", event.encoded_len());
    }
}
