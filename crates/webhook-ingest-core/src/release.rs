//! What of a quarantined body is let in when a person releases it: judged anew, by today's account and rules.

mod explanation;

use kernel::Timestamp;

use crate::event::{Event, Reading, Unreadable};
use crate::window::{Standing, Window};

pub use explanation::{Explanation, explain, explain_release};

/// What keeps a body, or a part of it, from being let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// LINE has not confirmed yet which bot the account has.
    BotUnknown,
    /// The body is for another bot than the account has.
    WrongDestination,
    /// It, or an event in it, cannot be read.
    Unreadable,
    /// An event's ID lies outside of the window, and that was not accepted.
    OutsideWindow,
    /// An event's ID lies too far outside to be kept, or has left the window since the body came.
    OutOfReach,
}

/// What a release lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The events that pass. Those that were accepted before are among them; whoever stores them tells.
    pub events: Vec<Event>,
    /// What keeps the rest out, or all of it; none: nothing is left.
    pub obstacle: Option<Obstacle>,
}

/// Judges what was read of a body that was `received` then anew. `bot` is the account's as it is known today: unlike on receipt, an unknown one will not do, for
/// another bot's events never enter an account. With `outside_window`, events outside of the window pass as far as it reaches.
#[must_use]
pub fn release(
    reading: Result<Reading, Unreadable>,
    bot: Option<&str>,
    outside_window: bool,
    window: Window,
    received: Timestamp,
    now: Timestamp,
) -> Release {
    let nothing = |obstacle| Release { events: Vec::new(), obstacle: Some(obstacle) };
    let Ok(reading) = reading else { return nothing(Obstacle::Unreadable) };
    match bot {
        None => return nothing(Obstacle::BotUnknown),
        Some(bot) if bot != reading.destination => return nothing(Obstacle::WrongDestination),
        Some(_) => {}
    }
    let mut left = (reading.faulty > 0).then_some(Obstacle::Unreadable);
    let passes = |event: &Event| match window.standing(event.id, received, now) {
        Standing::Inside => true,
        Standing::Outside if outside_window => true,
        // What a person can do something about comes first.
        Standing::Outside => {
            left = Some(Obstacle::OutsideWindow);
            false
        }
        Standing::OutOfReach => {
            left = left.or(Some(Obstacle::OutOfReach));
            false
        }
    };
    let events = reading.events.into_iter().filter(passes).collect();
    Release { events, obstacle: left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use ulid::Ulid;

    const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";

    fn now() -> Timestamp {
        Timestamp::from_timestamp_millis(1_700_000_000_000).unwrap()
    }

    fn reading(bot: &str, days_ago: &[i64], faulty: usize) -> Result<Reading, Unreadable> {
        let event = |(nth, days): (usize, &i64)| {
            let at = u64::try_from((now() - TimeDelta::days(*days)).timestamp_millis()).unwrap();
            format!(r#"{{"type":"follow","timestamp":{at},"webhookEventId":"{}"}}"#, Ulid::from_parts(at, nth as u128))
        };
        let events = days_ago.iter().enumerate().map(event).chain((0..faulty).map(|_| r#"{"type":7}"#.to_owned()));
        let events: Vec<String> = events.collect();
        crate::read(&Bytes::from(format!(r#"{{"destination":"{bot}","events":[{}]}}"#, events.join(","))))
    }

    fn released(
        reading: Result<Reading, Unreadable>,
        bot: Option<&str>,
        outside_window: bool,
    ) -> (usize, Option<Obstacle>) {
        let release = release(reading, bot, outside_window, Window::of_days(90), now(), now());
        (release.events.len(), release.obstacle)
    }

    #[test]
    fn a_body_is_let_in_once_the_account_is_its_destination_and_never_before() {
        assert_eq!(released(reading(BOT, &[0, 1], 0), Some(BOT), false), (2, None));
        assert_eq!(released(reading(BOT, &[], 0), Some(BOT), false), (0, None));
        for outside_window in [false, true] {
            let other = Some("U00000000000000000000000000000000");
            assert_eq!(released(reading(BOT, &[0], 0), other, outside_window), (0, Some(Obstacle::WrongDestination)));
            assert_eq!(released(reading(BOT, &[0], 0), None, outside_window), (0, Some(Obstacle::BotUnknown)));
        }
    }

    #[test]
    fn what_cannot_be_read_stays_and_its_neighbours_pass() {
        assert_eq!(released(Err(Unreadable), Some(BOT), true), (0, Some(Obstacle::Unreadable)));
        assert_eq!(released(reading(BOT, &[0], 1), Some(BOT), false), (1, Some(Obstacle::Unreadable)));
    }

    #[test]
    fn what_lies_outside_the_window_passes_expressly_and_by_a_year_at_most() {
        let outside = || reading(BOT, &[0, 91, -2, 90 + 366, -366], 0);
        assert_eq!(released(outside(), Some(BOT), false), (1, Some(Obstacle::OutsideWindow)));
        assert_eq!(released(outside(), Some(BOT), true), (5, None));
        let beyond = || reading(BOT, &[0, 90 + 367, -367], 0);
        assert_eq!(released(beyond(), Some(BOT), true), (1, Some(Obstacle::OutOfReach)));
        assert_eq!(released(reading(BOT, &[91, 500], 0), Some(BOT), false), (0, Some(Obstacle::OutsideWindow)));
    }

    #[test]
    fn what_has_left_the_window_since_it_came_may_have_been_handled_and_stays() {
        let released = |received: i64| {
            let received = now() - TimeDelta::days(received);
            let release = release(reading(BOT, &[0, 100], 0), Some(BOT), true, Window::of_days(90), received, now());
            (release.events.len(), release.obstacle)
        };
        assert_eq!(released(5), (2, None), "it was too old when it came");
        assert_eq!(released(20), (1, Some(Obstacle::OutOfReach)));
    }

    proptest! {
        /// Whatever is released: only the account's own events, only what the choice allows, and an obstacle for whatever stays.
        #[test]
        fn a_release_lets_in_what_its_rules_allow_and_nothing_else(
            days in prop::collection::vec(-500i64..600, 0..6),
            own: bool,
            known: bool,
            faulty in 0usize..2,
            outside_window: bool,
        ) {
            let read = reading(if own { BOT } else { "Uother" }, &days, faulty);
            let window = Window::of_days(90);
            let release = release(read.clone(), known.then_some(BOT), outside_window, window, now(), now());
            let inside = |event: &Event| window.holds(event.id, now());
            prop_assert!(release.events.is_empty() || (own && known));
            prop_assert!(outside_window || release.events.iter().all(inside));
            let read = read.unwrap();
            let all = release.events.len() == read.events.len() && faulty == 0 && own && known;
            prop_assert_eq!(release.obstacle.is_none(), all);
            if own && known {
                prop_assert!(read.events.iter().filter(|event| inside(event)).all(|event| release.events.contains(event)));
            }
        }
    }
}
