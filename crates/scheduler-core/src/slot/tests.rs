use super::*;
use crate::wall_clock::tests::{any_zone, at, zone, zone_and_moment};
use chrono::TimeDelta;
use proptest::prelude::*;

const DAY: i64 = 86_400;

fn minutes(minutes: &[i32]) -> BTreeSet<MinuteOfDay> {
    minutes.iter().map(|minute| MinuteOfDay::parse(*minute).unwrap()).collect()
}

fn daily(zone: TimeZone, times: &[i32]) -> Plan {
    Plan { zone, times: minutes(times), quiet: Quiet::default() }
}

fn date(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

/// Every slot behind `after` up to `until`, by walking the wall clock minute by minute: a slot is where it first reaches or passes a
/// time of the plan. Clocks are turned at full minutes in every zone from 2000 on.
fn walked(plan: &Plan, after: Timestamp, until: Timestamp) -> Vec<Timestamp> {
    let minute = |moment: Timestamp| at(moment.timestamp().div_euclid(60) * 60);
    // A day is enough for the furthest wall clock that is turned back.
    let mut now = minute(after) - TimeDelta::days(2);
    let (mut furthest, mut slots) = (plan.zone.local(now), Vec::new());
    while now < until {
        now += TimeDelta::minutes(1);
        let shown = plan.zone.local(now);
        if shown <= furthest {
            continue;
        }
        let days =
            furthest.date().iter_days().take_while(|day| *day <= shown.date()).filter(|day| !plan.quiet.holds(*day));
        let reached = days.flat_map(|day| plan.times.iter().map(move |time| day.and_time(time.time())));
        let is_slot = reached.filter(|time| furthest < *time && *time <= shown).count() > 0;
        if is_slot && !plan.quiet.holds(shown.date()) && after < now && now <= until {
            slots.push(now);
        }
        furthest = shown;
    }
    slots
}

/// The slots behind a moment, one after the other; each must lie behind the one before.
fn followed(plan: &Plan, after: Timestamp) -> impl Iterator<Item = Slot> {
    std::iter::successors(next_after(plan, after), |slot| {
        let next = next_after(plan, slot.moment);
        assert!(next.is_none_or(|next| next.moment > slot.moment), "no slot follows itself");
        next
    })
}

fn times() -> impl Strategy<Value = BTreeSet<MinuteOfDay>> {
    // Most changes of clocks are at night.
    let minute = prop_oneof![0i32..240, 0i32..1_440].prop_map(|minute| MinuteOfDay::parse(minute).unwrap());
    prop::collection::btree_set(minute, 1..6)
}

/// Some quiet weekdays, and quiet dates around a day.
fn quiet(around: Timestamp) -> impl Strategy<Value = Quiet> {
    let dates = prop::collection::btree_set(-4i64..5, 0..4);
    (prop_oneof![Just(0i16), 0i16..128], dates).prop_map(move |(bits, days)| Quiet {
        weekdays: Weekdays::from_bits(bits),
        dates: days.into_iter().map(|day| (around + TimeDelta::days(day)).date_naive()).collect(),
    })
}

/// A plan, and a moment near which its clock may be turned.
fn plan_and_moment() -> impl Strategy<Value = (Plan, Timestamp)> {
    (zone_and_moment(), times())
        .prop_flat_map(|((zone, moment), times)| (Just((zone, times, moment)), quiet(moment)))
        .prop_map(|((zone, times, moment), quiet)| (Plan { zone, times, quiet }, moment))
}

/// What a look says or passes over, in order.
fn heard(look: &Look) -> Vec<Timestamp> {
    let mut all: Vec<Timestamp> = look.missed.iter().chain(&look.say).map(|slot| slot.moment).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_slot_has_one_moment_and_moments_follow_slots((plan, around) in plan_and_moment()) {
        let (start, end) = (around - TimeDelta::days(2), around + TimeDelta::days(2));
        let slots: Vec<Slot> = followed(&plan, start).take_while(|slot| slot.moment <= end).collect();
        for slot in &slots {
            prop_assert_eq!(plan.zone.local(slot.moment), slot.local);
            prop_assert!(!plan.quiet.holds(slot.local.date()));
        }
        prop_assert_eq!(slots.iter().map(|slot| slot.moment).collect::<Vec<_>>(), walked(&plan, start, end));
    }

    #[test]
    fn missed_slots_merge_into_the_last_and_none_is_forgotten(
        (plan, last) in plan_and_moment(), away in 0i64..4 * DAY, late_for in 0u16..30,
    ) {
        let (now, late_for) = (last + TimeDelta::seconds(away), LateFor::hours(late_for));
        let look = look(&plan, last, now, late_for);
        let passed = walked(&plan, last, now);
        prop_assert_eq!(heard(&look), &passed[..]);
        prop_assert_eq!(look.missed_count, look.missed.len());
        prop_assert_eq!(look.last, passed.last().copied().unwrap_or(last));
        prop_assert_eq!(look.next, next_after(&plan, now).map(|slot| slot.moment));
        let in_time = passed.last().copied().filter(|moment| late_for.allows(*moment, now));
        prop_assert_eq!(look.say.map(|slot| slot.moment), in_time, "the last one, or none");
        let fates = look.outcome(false).fates;
        let merged = if look.say.is_some() { Fate::Merged } else { Fate::TooLate };
        let of = |slot: &Slot| if Some(*slot) == look.say { Fate::Said } else { merged };
        prop_assert!(fates.iter().all(|(slot, fate)| *fate == of(slot)));
        prop_assert_eq!(fates.iter().map(|(slot, _)| slot.moment).collect::<Vec<_>>(), heard(&look), "each in one way");
    }

    #[test]
    fn nothing_is_said_for_a_suspended_tenant_and_every_slot_is_recorded(
        (plan, last) in plan_and_moment(), away in 0i64..4 * DAY,
    ) {
        let look = look(&plan, last, last + TimeDelta::seconds(away), LateFor::hours(3));
        let outcome = look.outcome(true);
        prop_assert_eq!(outcome.say, None);
        prop_assert!(outcome.fates.iter().all(|(_, fate)| *fate == Fate::Suspended));
        prop_assert_eq!(outcome.fates.iter().map(|(slot, _)| slot.moment).collect::<Vec<_>>(), heard(&look));
    }

    #[test]
    fn no_sequence_of_clock_jumps_says_a_slot_twice(
        (plan, start) in plan_and_moment(), jumps in prop::collection::vec(-3 * DAY..3 * DAY, 1..15), late_for in 0u16..60,
    ) {
        let (mut now, mut last, mut all) = (start, start, Vec::new());
        for jump in jumps {
            now += TimeDelta::seconds(jump);
            let look = look(&plan, last, now, LateFor::hours(late_for));
            prop_assert!(look.last >= last, "never goes back");
            prop_assert!(look.say.is_none_or(|slot| slot.moment <= now));
            prop_assert!(look.next.is_none_or(|next| next > look.last && next > now));
            all.extend(heard(&look));
            last = look.last;
        }
        prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "each once and in order: {all:?}");
        let furthest = all.last().copied().unwrap_or(start);
        prop_assert_eq!(all, walked(&plan, start, furthest), "and none is left out");
    }

    #[test]
    fn a_zone_or_settings_change_repeats_no_slot_and_loses_none(
        (plan, start) in plan_and_moment(),
        changes in prop::collection::vec((any_zone(), times(), 0i64..2 * DAY, -DAY..3_600), 1..5),
    ) {
        let (mut plan, mut last, mut now, mut all) = (plan, start, start, Vec::new());
        for (zone, times, passes, turned) in changes {
            now = (now + TimeDelta::seconds(passes)).max(last);
            let changed = Plan { zone, times, ..plan.clone() };
            let look = change(&plan, &changed, last, now, LateFor::hours(3));
            prop_assert_eq!(heard(&look), walked(&plan, last, now), "what was due by the former plan");
            prop_assert!(look.next.is_none_or(|next| next > now));
            prop_assert_eq!(look.next, next_after(&changed, now).map(|slot| slot.moment));
            all.extend(heard(&look));
            (plan, last) = (changed, look.last);
            // The clock may be turned back behind the change.
            let turned = self::look(&plan, last, now + TimeDelta::seconds(turned), LateFor::hours(3));
            all.extend(heard(&turned));
            last = turned.last;
        }
        prop_assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "each once and in order: {all:?}");
    }

    #[test]
    fn weekdays_come_back_from_their_bits(bits: i16) {
        let weekdays = Weekdays::from_bits(bits);
        prop_assert_eq!(weekdays.bits(), bits & 127);
        let week = (0..7).map(|day| Weekday::try_from(day).unwrap());
        prop_assert_eq!(week.filter(|day| weekdays.holds(*day)).collect::<Weekdays>(), weekdays);
    }
}

#[test]
fn gaps_and_overlaps_of_every_zone_give_one_slot() {
    let slots = |name: &str, times: &[i32], day: NaiveDate| {
        let plan = daily(zone(name), times);
        let midnight = zone(name).moment(day.and_hms_opt(0, 0, 0).unwrap());
        let that_day =
            followed(&plan, midnight - TimeDelta::microseconds(1)).take_while(|slot| slot.local.date() <= day);
        that_day.map(|slot| slot.local.format("%d %H:%M").to_string()).collect::<Vec<_>>()
    };
    let half_past = [0, 105, 120, 135, 150];
    assert_eq!(slots("Australia/Lord_Howe", &half_past, date(2025, 10, 5)), ["05 00:00", "05 01:45", "05 02:30"]);
    assert_eq!(slots("Australia/Lord_Howe", &half_past, date(2025, 4, 6)).len(), 5, "1:45 once, though it comes twice");
    assert_eq!(slots("Pacific/Apia", &[480, 1_200], date(2011, 12, 29)), ["29 08:00", "29 20:00"]);
    assert_eq!(slots("Pacific/Apia", &[480, 1_200], date(2011, 12, 31)), ["31 00:00", "31 08:00", "31 20:00"]);
    assert_eq!(slots("America/Sao_Paulo", &[0, 30, 60], date(2018, 11, 4)), ["04 01:00"]);
    assert_eq!(slots("America/Sao_Paulo", &[0, 30, 60, 1_410], date(2018, 2, 17)).len(), 4, "23:30 once");
    assert_eq!(slots("Africa/Casablanca", &[150, 180], date(2025, 4, 6)), ["06 03:00"]);
    assert_eq!(slots("Asia/Tokyo", &[480, 1_200], date(2026, 11, 22)), ["22 08:00", "22 20:00"]);
}

#[test]
fn a_day_that_was_left_out_is_as_quiet_as_the_day_it_falls_on() {
    let eve = zone("Pacific/Apia").moment(date(2011, 12, 29).and_hms_opt(21, 0, 0).unwrap());
    let next = |quiet: &[NaiveDate]| {
        let quiet = Quiet { dates: quiet.iter().copied().collect(), ..Quiet::default() };
        let plan = Plan { quiet, ..daily(zone("Pacific/Apia"), &[480, 1_200]) };
        let slot = next_after(&plan, eve).unwrap();
        assert_eq!(look(&plan, eve, slot.moment, LateFor::HOUR).say, Some(slot));
        slot.local.to_string()
    };
    assert_eq!(next(&[]), "2011-12-31 00:00:00");
    assert_eq!(next(&[date(2011, 12, 30)]), "2011-12-31 08:00:00");
    assert_eq!(next(&[date(2011, 12, 31)]), "2012-01-01 08:00:00");
}

#[test]
fn a_slot_of_the_next_day_is_found_after_the_clock_was_turned_back_behind_midnight() {
    // At one minute past midnight, 2010-11-07T02:31Z, St. John's went back to one minute past 23:00 of the day before.
    let plan = daily(zone("America/St_Johns"), &[0]);
    let midnight = at(1_289_097_000);
    let look = look(&plan, at(1_289_088_000), midnight + TimeDelta::minutes(15), LateFor::HOUR);
    assert_eq!(look.say.map(|slot| slot.moment), Some(midnight));
    assert_eq!(plan.zone.local(midnight + TimeDelta::minutes(15)).to_string(), "2010-11-06 23:15:00");
}

#[test]
fn a_plan_that_never_speaks_has_no_slot_and_one_that_speaks_seldom_is_not_given_up() {
    let (tokyo, start) = (daily(zone("Asia/Tokyo"), &[480]), at(1_763_769_600));
    let week = Weekdays::from_bits(127);
    assert!(week.are_all());
    for plan in [
        Plan { quiet: Quiet { weekdays: week, ..Quiet::default() }, ..tokyo.clone() },
        Plan { times: BTreeSet::new(), ..tokyo.clone() },
    ] {
        assert_eq!(next_after(&plan, start), None);
        let look = look(&plan, start, Timestamp::MAX_UTC, LateFor::HOUR);
        assert_eq!((look.say, look.missed_count, look.last, look.next), (None, 0, start, None));
    }
    // Mondays only, and the next three years' Mondays are holidays.
    let mondays = date(2025, 11, 24).iter_weeks().take(156);
    let quiet = Quiet { weekdays: Weekdays::from_bits(0b111_1110), dates: mondays.collect() };
    let slot = next_after(&Plan { quiet, ..tokyo }, start).unwrap();
    assert_eq!(slot.local.date(), date(2025, 11, 24) + TimeDelta::weeks(156));
}

#[test]
fn a_long_absence_is_counted_and_its_end_is_named() {
    let plan = daily(zone("Asia/Tokyo"), &[480, 1_200]);
    let (last, now) = (at(1_763_769_600), at(1_763_769_600 + 100 * DAY));
    let long = look(&plan, last, now, LateFor::hours(0));
    assert_eq!(
        (long.say, long.missed_count, long.missed.len(), long.outcome(false).unnamed),
        (None, 200, MOST_NAMED, 140)
    );
    assert_eq!(long.missed.last().map(|slot| slot.moment), Some(long.last));
    let said = look(&plan, last, long.last, LateFor::hours(3));
    assert_eq!((said.say.map(|slot| slot.moment), said.missed_count), (Some(long.last), 199));
    assert_eq!(said.missed.len(), MOST_NAMED);
    let ages = look(&plan, Timestamp::MIN_UTC, now, LateFor::hours(3));
    assert_eq!((ages.missed_count, ages.last), (MOST_COUNTED, long.last));
}

#[test]
fn nothing_breaks_at_the_ends_of_time() {
    for name in ["Asia/Tokyo", "America/Sao_Paulo", "Pacific/Apia"] {
        let plan = daily(zone(name), &[0, 480, 1_439]);
        for end in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            let _ = (
                next_after(&plan, end),
                look(&plan, end, at(0), LateFor::HOUR),
                look(&plan, at(0), end, LateFor::HOUR),
            );
        }
        assert_eq!(next_after(&plan, Timestamp::MAX_UTC), None);
    }
}

#[test]
fn fates_come_back_from_their_numbers() {
    for fate in Fate::ALL {
        assert_eq!(Fate::from_code(fate.code()), Some(fate));
    }
    assert_eq!((Fate::from_code(0), Fate::from_code(5)), (None, None));
}
