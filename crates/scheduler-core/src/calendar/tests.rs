use super::*;
use proptest::prelude::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_763_769_600 + seconds, 0).unwrap() // 2025-11-22T00:00:00Z
}

/// Something that happens to the calendar.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody makes a timer due so many seconds from now, and commits it so many seconds later.
    Make(i64, i64),
    /// So many seconds pass, and the hours at hand are entered.
    Enter(i64),
    /// While nobody makes a timer the clock is turned by so many seconds; hours are looked at each second, so at once.
    Turn(i64),
}

/// A timer, and when it was committed.
struct Made {
    due: Timestamp,
    commit: Timestamp,
    in_calendar: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (-1_000i64..20_000, 0i64..1_700).prop_map(|(due, takes)| Step::Make(due, takes)),
        4 => (1i64..1_700).prop_map(Step::Enter),
        1 => (-30_000i64..30_000).prop_map(Step::Turn),
    ];
    prop::collection::vec(step, 1..60)
}

/// Enters what is to be entered of what is committed, and says which hour is the last now.
fn enter(timers: &mut [Made], last: Hour, now: Timestamp) -> Hour {
    let hours: Vec<Hour> = to_enter(last, now).collect();
    for timer in timers.iter_mut().filter(|timer| timer.commit <= now) {
        timer.in_calendar |= hours.contains(&Hour::of(timer.due));
    }
    entered_by(now)
}

proptest! {
    #[test]
    fn near_or_entered_every_timer_is_in_the_calendar_before_it_is_due(steps in steps()) {
        let (mut now, mut timers) = (at(0), Vec::<Made>::new());
        let mut last = entered_by(now);
        for step in steps {
            match step {
                Step::Make(due, takes) => {
                    let (due, commit) = (now + TimeDelta::seconds(due), now + TimeDelta::seconds(takes));
                    timers.push(Made { due, commit, in_calendar: is_near(due, now) });
                }
                Step::Enter(seconds) => {
                    now += TimeDelta::seconds(seconds);
                    last = enter(&mut timers, last, now);
                }
                Step::Turn(seconds) => {
                    let committed = timers.iter().map(|timer| timer.commit).max();
                    now = committed.map_or(now, |committed| now.max(committed));
                    last = enter(&mut timers, last, now);
                    now += TimeDelta::seconds(seconds);
                    for timer in &mut timers {
                        timer.commit = Timestamp::MIN_UTC;
                    }
                    last = enter(&mut timers, last, now);
                }
            }
            // The next look is within a second; whatever is due by then is in the calendar, if it is committed at all.
            let looked = now + TimeDelta::seconds(1);
            let lost = timers.iter().filter(|timer| timer.commit <= now && timer.due <= looked && !timer.in_calendar).count();
            prop_assert_eq!(lost, 0);
        }
    }

    #[test]
    fn an_hour_holds_its_moments(moment in -100_000_000_000i64..100_000_000_000) {
        let moment = Timestamp::from_timestamp(moment, 0).unwrap();
        let hour = Hour::of(moment);
        prop_assert!(hour.begin() <= moment && moment < hour.begin() + NEAR);
        prop_assert_eq!(Hour::of(hour.begin()), hour);
        prop_assert_eq!(Hour::from_number(hour.number()), hour);
    }

    #[test]
    fn whatever_is_due_within_the_hour_is_near_and_no_more_than_two_hours(due in -10_000i64..10_000, now in 0i64..7_200) {
        let ahead = due - now;
        prop_assert!(ahead >= 3_600 || is_near(at(due), at(now)));
        prop_assert!(!is_near(at(due), at(now)) || ahead < 7_200);
    }
}

#[test]
fn an_hour_is_entered_half_an_hour_before_it_begins() {
    let hour = |number: i32| Hour::from_number(Hour::of(at(0)).number() + number);
    assert_eq!(entered_by(at(30 * 60 - 1)), hour(0));
    assert_eq!(entered_by(at(30 * 60)), hour(1));
    assert_eq!(to_enter(hour(0), at(30 * 60)).collect::<Vec<_>>(), [hour(1)]);
    assert_eq!(to_enter(hour(1), at(30 * 60)).count(), 0);
    assert_eq!(to_enter(hour(-2), at(0)).collect::<Vec<_>>(), [hour(-1), hour(0)]);
    assert!(!is_near(at(2 * 3_600), at(3_600)) && is_near(at(2 * 3_600), at(3_601)) && is_near(at(0), at(9_999)));
}

#[test]
fn nothing_breaks_at_the_ends_of_time() {
    for end in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
        assert_eq!(to_enter(entered_by(end), end).count(), 0);
        assert_eq!(to_enter(Hour::from_number(i32::MAX), end).count(), 0);
        let _ = (is_near(end, at(0)), is_near(at(0), end), Hour::from_number(i32::MIN).begin());
    }
}
