use super::*;
use kernel::Timestamp;
use proptest::prelude::*;

/// Seconds from one look to the next, at most.
const LOOKS_EVERY: i64 = 2;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_763_769_600 + seconds, 0).unwrap() // 2025-11-22T00:00:00Z
}

/// Something that happens to the calendar.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody makes a timer due so many seconds from now, and commits it so many seconds later.
    Make(i64, i64),
    /// So many seconds pass, with the looks that are due in them.
    Pass(i64),
    /// The database's clock is turned forward by so many seconds, or back.
    Turn(i64),
}

/// A timer: when it is due, in how many more seconds it is committed, and whether it is in the calendar.
struct Made {
    due: Timestamp,
    commits_in: i64,
    in_calendar: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (-1_000i64..20_000, 0i64..1_700).prop_map(|(due, takes)| Step::Make(due, takes)),
        4 => (1i64..5_000).prop_map(Step::Pass),
        1 => (-30_000i64..30_000).prop_map(Step::Turn),
    ];
    prop::collection::vec(step, 1..40)
}

/// A look: what is committed, near and not in the calendar is entered.
fn look(timers: &mut [Made], now: Timestamp) {
    for timer in timers.iter_mut().filter(|timer| timer.commits_in <= 0) {
        timer.in_calendar |= timer.due.signed_duration_since(now) < AHEAD;
    }
}

proptest! {
    #[test]
    fn near_or_entered_every_timer_is_in_the_calendar_before_it_is_due(steps in steps()) {
        let (mut now, mut timers) = (at(0), Vec::<Made>::new());
        for step in steps {
            match step {
                Step::Make(due, takes) => {
                    let due = now + TimeDelta::seconds(due);
                    let in_calendar = due.signed_duration_since(now) < NEAR;
                    timers.push(Made { due, commits_in: takes, in_calendar });
                }
                Step::Pass(seconds) => {
                    for _ in 0..=seconds / LOOKS_EVERY {
                        now += TimeDelta::seconds(LOOKS_EVERY);
                        for timer in &mut timers {
                            timer.commits_in -= LOOKS_EVERY;
                        }
                        look(&mut timers, now);
                    }
                }
                Step::Turn(seconds) => {
                    now += TimeDelta::seconds(seconds);
                    look(&mut timers, now);
                }
            }
            // Whatever is due by the next look is in the calendar, if it is committed at all and was before this one.
            let next = now + TimeDelta::seconds(LOOKS_EVERY);
            let lost = timers.iter().filter(|timer| timer.commits_in <= 0 && timer.due <= next && !timer.in_calendar);
            // Who commits in the same moment as the clock is turned is found by the look that follows.
            prop_assert_eq!(lost.count(), 0);
        }
    }

    #[test]
    fn whoever_makes_a_timer_need_not_enter_what_no_look_would(due in 0i64..100_000) {
        let near = TimeDelta::seconds(due) < NEAR;
        prop_assert!(near || TimeDelta::seconds(due) >= AHEAD + TimeDelta::minutes(30));
    }
}
