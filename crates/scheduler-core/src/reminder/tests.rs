use super::*;
use crate::fire::{Fate, judge};
use crate::wall_clock::tests::{zone, zone_and_moment};
use proptest::prelude::*;
use uuid::Uuid;

fn rule(id: u128, when: When) -> Rule {
    Rule { id: Uuid::from_u128(id).into(), when, active: true }
}

fn reservation(start: Timestamp) -> Reservation {
    Reservation { activity: Uuid::from_u128(7).into(), active: true, start }
}

fn any_rules() -> impl Strategy<Value = Vec<Rule>> {
    let before = (600u64..90 * 86_400).prop_map(|seconds| When::Before(Duration::from_secs(seconds)));
    let soon = (600u64..20_000).prop_map(|seconds| When::Before(Duration::from_secs(seconds)));
    let days =
        (0u16..4, 0i32..1_440).prop_map(|(days, at)| When::DaysBefore { days, at: MinuteOfDay::parse(at).unwrap() });
    let parts = (prop_oneof![before, soon, days], prop::bool::weighted(0.8));
    prop::collection::vec(parts, 0..10).prop_map(|all| {
        let of = |(id, (when, active)): (u128, (When, bool))| Rule { active, ..rule(id, when) };
        (0u128..).zip(all).map(of).collect()
    })
}

proptest! {
    #[test]
    fn a_reminder_is_never_for_the_past(
        rules in any_rules(), (zone, now) in zone_and_moment(), ahead in -100_000i64..300_000, micros in 0i64..1_000_000, active: bool, late in 0i64..20_000,
    ) {
        let start = now + TimeDelta::seconds(ahead) + TimeDelta::microseconds(micros);
        let told = Reservation { active, ..reservation(start) };
        let Wanted { put, keep } = wanted(&rules, &told, zone, now);
        prop_assert!(active && start > now || put.is_empty() && keep.is_empty());
        for timer in &put {
            prop_assert!(now < timer.due && timer.due < start);
            for fired in [timer.due + TimeDelta::seconds(late), start + TimeDelta::seconds(late % 4 - 2)] {
                let said = judge(&timer.policy, timer.due, fired) == Fate::Due;
                prop_assert!(!said || fired < start, "said once the reservation has begun");
                prop_assert!(!said || fired - timer.due <= TimeDelta::hours(2), "hours late");
            }
        }
        prop_assert!(keep.iter().all(|(_, due)| *due <= now && now - *due <= TimeDelta::hours(2)));
        let mut keys: Vec<_> = put.iter().map(|timer| &timer.key).chain(keep.iter().map(|(key, _)| key)).collect();
        keys.sort();
        prop_assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "one timer a rule");
        for key in keys {
            let (activity, id, at) = key.reminder().unwrap();
            prop_assert!(rules.iter().any(|rule| rule.id == id && rule.active));
            prop_assert_eq!((activity, at), (told.activity, start));
        }
    }

    #[test]
    fn the_timers_that_stand_become_those_that_are_wanted(
        rules in any_rules(), (zone, now) in zone_and_moment(), ahead in -100_000i64..300_000, before in 0i64..100_000, former in any_rules(), moved in -90_000i64..90_000,
    ) {
        let start = now + TimeDelta::seconds(ahead);
        // Once it was planned by other rules, perhaps for another start; some of that has fired since.
        let once = wanted(&former, &reservation(start + TimeDelta::seconds(moved)), zone, now - TimeDelta::seconds(before));
        let mut standing: Vec<_> = once.put.iter().map(|timer| (timer.key.clone(), timer.due)).collect();
        standing.retain(|(_, due)| *due > now - TimeDelta::hours(1));
        let want = wanted(&rules, &reservation(start), zone, now);
        let Changes { put, cancel } = want.clone().changes(&standing);
        let was = standing.clone();
        standing.retain(|(key, _)| !cancel.contains(key) && !put.iter().any(|timer| timer.key == *key));
        standing.extend(put.iter().map(|timer| (timer.key.clone(), timer.due)));
        for timer in &want.put {
            prop_assert!(standing.contains(&(timer.key.clone(), timer.due)), "what is wanted stands");
        }
        for one in &standing {
            let put = want.put.iter().any(|timer| timer.key == one.0 && timer.due == one.1);
            prop_assert!(put || want.keep.contains(one) && was.contains(one), "and nothing else");
        }
        prop_assert!(put.iter().all(|timer| !was.contains(&(timer.key.clone(), timer.due))), "nothing is made twice");
        prop_assert_eq!(want.clone().changes(&standing), Changes::default(), "and then nothing is left to do");
    }

    #[test]
    fn a_reminder_that_stands_is_before_its_reservation_and_before_it_expires(
        rules in any_rules(), (zone, now) in zone_and_moment(), ahead in 1i64..300_000, late in 0i64..20_000,
    ) {
        let told = reservation(now + TimeDelta::seconds(ahead));
        for timer in wanted(&rules, &told, zone, now).put {
            let (fired, expiry) = (timer.due + TimeDelta::seconds(late), expiry(timer.due, told.start));
            prop_assert!(timer.due < expiry && expiry <= told.start && expiry - timer.due <= TimeDelta::hours(2));
            prop_assert_eq!(stands(&told, told.start, fired), fired < told.start);
            prop_assert!(judge(&timer.policy, timer.due, fired) == Fate::Missed || fired <= expiry);
            let cancelled = Reservation { active: false, ..told };
            prop_assert!(!stands(&cancelled, told.start, fired));
            prop_assert!(!stands(&told, told.start + TimeDelta::seconds(1), fired));
        }
    }

    #[test]
    fn every_active_rule_that_lies_ahead_reminds(rules in any_rules(), (zone, now) in zone_and_moment(), ahead in 1i64..300_000) {
        let start = now + TimeDelta::seconds(ahead);
        let wanted = wanted(&rules, &reservation(start), zone, now);
        let ahead = rules.iter().filter(|rule| rule.active && due(rule, start, zone).is_some_and(|due| due > now));
        prop_assert_eq!(wanted.put.len(), ahead.count());
    }

    #[test]
    fn days_before_are_days_of_the_wall_clock((zone, start) in zone_and_moment(), days in 0u16..90, at in 0i32..1_440) {
        let at = MinuteOfDay::parse(at).unwrap();
        if let Some(due) = due(&rule(1, When::DaysBefore { days, at }), start, zone) {
            let meant = (zone.local(start).date() - Days::new(days.into())).and_time(at.time());
            prop_assert_eq!(due, zone.moment(meant));
        }
    }
}

#[test]
fn a_reservation_is_reminded_of_the_evening_before_and_the_same_day() {
    let tokyo = zone("Asia/Tokyo");
    let start = Timestamp::from_timestamp(1_763_776_800, 0).unwrap(); // 2025-11-22T11:00+09:00
    let evening = When::DaysBefore { days: 1, at: MinuteOfDay::hour(18) };
    let shown = |when| due(&rule(1, when), start, tokyo).map(|due| tokyo.local(due).to_string());
    assert_eq!(shown(evening).as_deref(), Some("2025-11-21 18:00:00"));
    assert_eq!(shown(When::Before(Duration::from_hours(3))).as_deref(), Some("2025-11-22 08:00:00"));
    assert_eq!(shown(When::DaysBefore { days: 0, at: MinuteOfDay::hour(8) }).as_deref(), Some("2025-11-22 08:00:00"));
    assert_eq!(shown(When::DaysBefore { days: 0, at: MinuteOfDay::hour(11) }), None, "not as it begins");

    let rules = [rule(1, evening), rule(2, When::Before(Duration::from_mins(30)))];
    let at = |minutes: i64| start - TimeDelta::minutes(minutes);
    let count = |reservation: &Reservation, now| {
        let wanted = wanted(&rules, reservation, tokyo, now);
        (wanted.put.len(), wanted.keep.len())
    };
    let told = reservation(start);
    assert_eq!(count(&told, at(2_000)), (2, 0));
    assert_eq!(count(&told, at(17 * 60 - 1)), (1, 1), "fired just now, or to be fired late");
    assert_eq!(count(&told, at(30)), (0, 1));
    assert_eq!(count(&told, at(0)), (0, 0));
    assert_eq!(count(&Reservation { active: false, ..told }, at(2_000)), (0, 0));
    assert_eq!(count(&told, start - FURTHEST - TimeDelta::seconds(1)), (0, 0));
    assert_eq!(count(&told, start - FURTHEST), (2, 0));
}

#[test]
fn rules_have_their_bounds_and_nothing_breaks_at_the_ends_of_time() {
    let day = Duration::from_hours(24);
    for (when, fits) in [
        (When::Before(Duration::from_mins(10)), true),
        (When::Before(Duration::from_secs(599)), false),
        (When::Before(Duration::from_millis(700_500)), false),
        (When::Before(day * 90), true),
        (When::Before(day * 91), false),
        (When::DaysBefore { days: 90, at: MinuteOfDay::hour(0) }, true),
        (When::DaysBefore { days: 91, at: MinuteOfDay::hour(0) }, false),
    ] {
        assert_eq!(when.check().is_ok(), fits, "{when:?}");
        for end in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            let told = reservation(end);
            let _ = (due(&rule(1, when), end, zone("Asia/Tokyo")), wanted(&[rule(1, when)], &told, zone("UTC"), end));
        }
    }
    assert_eq!(due(&rule(1, When::Before(Duration::MAX)), Timestamp::MAX_UTC, zone("UTC")), None);
}
