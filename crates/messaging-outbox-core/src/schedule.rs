//! Messages that wait for a time (F-31): what may be asked for, and what becomes of one when scheduler says that its moment has come.
//!
//! Whoever says so may be late, may say it twice, and may speak of an earlier version of the schedule: the message's own schedule
//! alone counts, and the clock of the database it lies in.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;

use crate::answer;
use crate::send_gate::SendBarrier;

/// How far ahead a message may be written.
pub const FURTHEST: TimeDelta = TimeDelta::days(366);
/// How late a message may still go where nobody says otherwise.
pub const LATE_FOR: Duration = Duration::from_hours(1);
/// The least and the most that may be asked for.
pub const LATE_FOR_BOUNDS: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24));
/// A moment that is so near is waited for: the clocks of two databases differ by less. Of one further away the scheduler is told anew.
pub const CLOCKS_APART: TimeDelta = TimeDelta::seconds(30);

/// When a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Rises with every change.
    pub generation: i64,
    /// The moment.
    pub send_time: Timestamp,
    /// How late it may still go.
    pub late_for: Duration,
}

/// What somebody asked for that cannot be: why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub &'static str);

/// Checks the moment somebody asked for, at `now`.
///
/// # Errors
/// When it is not in the future, or more than [`FURTHEST`] ahead.
pub fn send_time(asked: Timestamp, now: Timestamp) -> Result<Timestamp, Unfit> {
    let ahead = asked.signed_duration_since(now);
    if ahead <= TimeDelta::zero() {
        Err(Unfit("is not in the future"))
    } else if ahead > FURTHEST {
        Err(Unfit("is more than 366 days ahead"))
    } else {
        Ok(asked)
    }
}

/// Checks how late somebody would still have it go.
///
/// # Errors
/// When it is outside of [`LATE_FOR_BOUNDS`].
pub fn late_for(asked: Duration) -> Result<Duration, Unfit> {
    let (least, most) = LATE_FOR_BOUNDS;
    if (least..=most).contains(&asked) { Ok(asked) } else { Err(Unfit("is not from 1 minute to 24 hours")) }
}

impl Schedule {
    /// The first version of a schedule.
    #[must_use]
    pub const fn new(send_time: Timestamp, late_for: Duration) -> Self {
        Self { generation: 1, send_time, late_for }
    }

    /// The version behind this one, with what somebody asked for.
    #[must_use]
    pub fn changed(self, send_time: Option<Timestamp>, late_for: Option<Duration>) -> Self {
        Self {
            generation: self.generation + 1,
            send_time: send_time.unwrap_or(self.send_time),
            late_for: late_for.unwrap_or(self.late_for),
        }
    }

    /// After this it does not go any more.
    #[must_use]
    pub fn expire_time(self) -> Timestamp {
        TimeDelta::from_std(self.late_for)
            .ok()
            .and_then(|late_for| self.send_time.checked_add_signed(late_for))
            .unwrap_or(self.send_time)
    }
}

/// What becomes of a message of which it was said that its moment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was said of another version than the message's own: nothing.
    Past,
    /// It goes, until then.
    Go {
        /// After this it does not go any more.
        expire: Timestamp,
    },
    /// It does not go, and why.
    Refuse(Refused),
    /// It was said a little too early: it is asked again after so long.
    Wait(Duration),
    /// It was said far too early: whoever says such moments is told this one anew.
    SayAgain,
}

/// Why a message does not go when its moment has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was said too late.
    Expired,
    /// Nothing may be sent in the conversation.
    Barred(SendBarrier),
}

/// Decides over a message of whose version `said` was said, at `now`, that its moment has come. `gate`: whether something may be sent
/// in its conversation now.
#[must_use]
pub fn judge(schedule: Schedule, said: i64, gate: Result<(), SendBarrier>, now: Timestamp) -> Verdict {
    if said != schedule.generation {
        return Verdict::Past;
    }
    let early = schedule.send_time.signed_duration_since(now);
    if early > CLOCKS_APART {
        return Verdict::SayAgain;
    }
    if early > TimeDelta::zero() {
        return Verdict::Wait(early.to_std().unwrap_or_default());
    }
    let expire = schedule.expire_time();
    if answer::is_over(Some(expire), now) {
        return Verdict::Refuse(Refused::Expired);
    }
    match gate {
        Ok(()) => Verdict::Go { expire },
        Err(barrier) => Verdict::Refuse(Refused::Barred(barrier)),
    }
}

/// Behind which other each of `ids` leaves, where the order given is to be theirs and the queue's own is that of their IDs: none where
/// that does. Those of a run that rises leave in their order by themselves; each run waits for the last one of the run before.
#[must_use]
pub fn behind<Id: Copy + Ord>(ids: &[Id]) -> Vec<Option<Id>> {
    let mut behind = None;
    let mut before: Option<Id> = None;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if before.is_some_and(|before| before > *id) {
            behind = before;
        }
        found.push(behind);
        before = Some(*id);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn schedule(generation: i64, seconds: i64) -> Schedule {
        Schedule { generation, ..Schedule::new(at(seconds), LATE_FOR) }
    }

    #[test]
    fn a_moment_lies_ahead_and_not_more_than_a_year() {
        let asked = |seconds| send_time(at(seconds), at(0)).map_err(|unfit| unfit.0);
        assert_eq!(asked(1), Ok(at(1)));
        assert_eq!(asked(366 * 86_400), Ok(at(366 * 86_400)));
        assert_eq!(asked(366 * 86_400 + 1), Err("is more than 366 days ahead"));
        for past in [0, -1, -86_400] {
            assert_eq!(asked(past), Err("is not in the future"));
        }
    }

    #[test]
    fn it_may_be_late_by_a_minute_to_a_day() {
        let asked = |seconds| late_for(Duration::from_secs(seconds)).is_ok();
        assert!(asked(60) && asked(3_600) && asked(86_400));
        assert!(!asked(0) && !asked(59) && !asked(86_401));
    }

    #[test]
    fn a_message_goes_when_its_moment_has_come_and_says_why_it_does_not() {
        let judge = |now, gate| judge(schedule(3, 100), 3, gate, at(now));
        assert_eq!(judge(100, Ok(())), Verdict::Go { expire: at(3_700) });
        assert_eq!(judge(3_699, Ok(())), Verdict::Go { expire: at(3_700) });
        assert_eq!(judge(3_700, Ok(())), Verdict::Refuse(Refused::Expired));
        assert_eq!(judge(99, Ok(())), Verdict::Wait(Duration::from_secs(1)));
        assert_eq!(judge(69, Ok(())), Verdict::SayAgain);
        let blocked = SendBarrier::FriendBlocked;
        assert_eq!(judge(100, Err(blocked)), Verdict::Refuse(Refused::Barred(blocked)));
        assert_eq!(judge(99, Err(blocked)), Verdict::Wait(Duration::from_secs(1)), "it may have changed by then");
        assert_eq!(judge(3_700, Err(blocked)), Verdict::Refuse(Refused::Expired));
    }

    /// A message as changes and dues leave it: its schedule while it waits, and how often it was queued.
    struct Waiting {
        schedule: Option<Schedule>,
        queued: Vec<i64>,
    }

    proptest! {
        /// However many the queue gives at once, and whenever it is asked.
        #[test]
        fn messages_leave_in_the_order_of_their_moments_whatever_their_ids(
            ids in Just((0..8u8).collect::<Vec<_>>()).prop_shuffle(), rooms in prop::collection::vec(1usize..4, 1..8),
        ) {
            let behind = behind(&ids);
            let mut queue: std::collections::BTreeMap<u8, Option<u8>> = ids.iter().copied().zip(behind).collect();
            let (mut left, mut rooms) = (Vec::new(), rooms.into_iter().cycle());
            while !queue.is_empty() {
                let free = queue.iter().filter(|(_, behind)| behind.is_none_or(|behind| !queue.contains_key(&behind)));
                let taken: Vec<u8> = free.map(|(id, _)| *id).take(rooms.next().unwrap_or(1)).collect();
                prop_assert!(!taken.is_empty());
                queue.retain(|id, _| !taken.contains(id));
                left.extend(taken);
            }
            prop_assert_eq!(left, ids);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_in_any_order_and_number_it_goes_once_by_its_own_schedule_and_never_early(
            steps in prop::collection::vec((0u8..3, 1i64..6, -100i64..8_000), 1..40),
        ) {
            let mut message = Waiting { schedule: Some(schedule(1, 50)), queued: Vec::new() };
            for (what, number, now) in steps {
                let Some(known) = message.schedule else { break };
                match what {
                    0 => message.schedule = Some(known.changed(Some(at(number * 1_000)), None)),
                    1 if number == 5 => message.schedule = None,
                    _ => match judge(known, number, Ok(()), at(now)) {
                        Verdict::Go { expire } => {
                            prop_assert!(number == known.generation && known.send_time <= at(now) && at(now) < expire);
                            message.queued.push(number);
                            message.schedule = None;
                        }
                        Verdict::Refuse(_) => {
                            prop_assert!(known.expire_time() <= at(now));
                            message.schedule = None;
                        }
                        Verdict::Wait(wait) => prop_assert_eq!(at(now) + wait, known.send_time),
                        Verdict::SayAgain => prop_assert!(at(now) < known.send_time),
                        Verdict::Past => prop_assert_ne!(number, known.generation),
                    },
                }
            }
            prop_assert!(message.queued.len() <= 1);
        }
    }
}
