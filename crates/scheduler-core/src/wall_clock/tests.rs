use super::*;
use chrono::NaiveDate;
use chrono_tz::TZ_VARIANTS;
use proptest::prelude::*;

/// 2000-01-01 and 2041-01-01, both UTC.
const YEARS: std::ops::Range<i64> = 946_684_800..2_240_611_200;
const DAY: i64 = 86_400;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).unwrap()
}

pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::parse(name).unwrap()
}

fn shift(zone: TimeZone, seconds: i64) -> i64 {
    (zone.local(at(seconds)) - at(seconds).naive_utc()).num_seconds()
}

/// The moments within `seconds` at which the zone's clocks are turned; of two within a week one at most is found.
pub(crate) fn turns(zone: TimeZone, seconds: std::ops::Range<i64>) -> Vec<i64> {
    let looks: Vec<i64> = seconds.step_by(usize::try_from(7 * DAY).unwrap()).collect();
    let turned = looks.windows(2).filter(|pair| shift(zone, pair[0]) != shift(zone, pair[1]));
    let turn = |pair: &[i64]| {
        let (mut before, mut behind) = (pair[0], pair[1]);
        while behind - before > 1 {
            let middle = i64::midpoint(before, behind);
            *(if shift(zone, middle) == shift(zone, pair[0]) { &mut before } else { &mut behind }) = middle;
        }
        behind
    };
    turned.map(turn).collect()
}

/// Any zone there is, and those where clocks do what few think of as often as all others.
pub(crate) fn any_zone() -> impl Strategy<Value = TimeZone> {
    const SPECIAL: [&str; 9] = [
        "Asia/Tokyo",
        "Australia/Lord_Howe", // turned by half an hour
        "Pacific/Apia",        // left out 2011-12-30
        "America/Sao_Paulo",   // turned at midnight: until 2018 some days began at 1:00
        "Africa/Casablanca",   // turned back for Ramadan
        "America/St_Johns",    // turned at one minute past midnight, until 2011
        "Antarctica/Troll",    // turned by two hours
        "America/Havana",      // turned back at 1:00 to midnight
        "Asia/Gaza",           // turned at other hours almost every year
    ];
    prop_oneof![
        prop::sample::select(&TZ_VARIANTS[..]).prop_map(TimeZone),
        prop::sample::select(&SPECIAL[..]).prop_map(zone),
    ]
}

/// A zone and a moment from 2000 to 2040: any, or within a day of a turn of the zone's clocks if it is turned in that year.
pub(crate) fn zone_and_moment() -> impl Strategy<Value = (TimeZone, Timestamp)> {
    (any_zone(), YEARS, any::<prop::sample::Index>(), -DAY..DAY, any::<bool>()).prop_map(
        |(zone, any, which, near, turned)| {
            let turns = turns(zone, any - 190 * DAY..any + 190 * DAY);
            let moment = if turned && !turns.is_empty() { which.get(&turns) + near } else { any };
            (zone, at(moment))
        },
    )
}

/// Checks the rule for one wall-clock time: it is reached at its moment, and was not before it.
fn is_first(zone: TimeZone, local: NaiveDateTime) -> Result<(), String> {
    let moment = zone.moment(local);
    let reached = zone.local(moment) >= local;
    let long_before = (1..=26 * 2).map(|halves| moment - TimeDelta::minutes(30 * halves));
    let mut before = long_before.chain([moment - TimeDelta::microseconds(1), moment - TimeDelta::minutes(1)]);
    let early = before.find(|before| zone.local(*before) >= local);
    let fault = || format!("{} {local}: {moment}, which shows {}; {early:?}", zone.name(), zone.local(moment));
    if reached && early.is_none() { Ok(()) } else { Err(fault()) }
}

#[test]
fn gaps_and_overlaps_of_every_zone_have_one_moment() {
    let (mut gaps, mut overlaps) = (0, 0);
    for zone in TZ_VARIANTS.map(TimeZone) {
        for turn in turns(zone, YEARS) {
            let by = shift(zone, turn) - shift(zone, turn - 1);
            *(if by > 0 { &mut gaps } else { &mut overlaps }) += 1;
            let (before, behind) = (zone.local(at(turn - 1)), zone.local(at(turn)));
            for seconds in [-1, 0, 1, by.abs() / 2] {
                is_first(zone, before + TimeDelta::seconds(seconds)).unwrap();
                is_first(zone, behind + TimeDelta::seconds(seconds)).unwrap();
            }
        }
    }
    assert!(gaps > 5_000 && overlaps > 5_000, "{gaps} gaps, {overlaps} overlaps: they are not looked for");
}

proptest! {
    #[test]
    fn a_wall_clock_time_is_the_first_moment_that_shows_it_or_more((zone, around) in zone_and_moment(), minutes in 0i64..1_440) {
        let local = zone.local(around) + TimeDelta::minutes(minutes - 720);
        prop_assert_eq!(is_first(zone, local), Ok(()));
    }

    #[test]
    fn a_later_wall_clock_time_never_has_an_earlier_moment((zone, around) in zone_and_moment(), minutes in 1i64..2_000) {
        let local = zone.local(around);
        prop_assert!(zone.moment(local) <= zone.moment(local + TimeDelta::minutes(minutes)));
        prop_assert!(zone.moment(local) <= around, "what is shown now was reached by now");
    }

    #[test]
    fn times_of_day_come_back_and_are_apart_the_short_way(one in -10i32..1_500, other in 0i32..1_440) {
        let other = MinuteOfDay::parse(other).unwrap();
        match MinuteOfDay::parse(one) {
            Ok(minute) => {
                prop_assert_eq!(i32::from(minute.number()), one);
                prop_assert_eq!(minute.time() - NaiveTime::MIN, TimeDelta::minutes(one.into()));
                prop_assert_eq!(minute.apart(other), other.apart(minute));
                let around = (i32::from(minute.apart(other)) + one) % 1_440 == i32::from(other.number());
                prop_assert!(minute.apart(other) <= 720);
                prop_assert!(around || (i32::from(minute.apart(other) + other.0)) % 1_440 == one);
            }
            Err(_) => prop_assert!(!(0..1_440).contains(&one)),
        }
    }
}

#[test]
fn the_days_that_are_known_for_it() {
    let moment = |name: &str, date: (i32, u32, u32), time: (u32, u32)| {
        let date = NaiveDate::from_ymd_opt(date.0, date.1, date.2).unwrap();
        let moment = zone(name).moment(date.and_hms_opt(time.0, time.1, 0).unwrap());
        (moment.format("%Y-%m-%dT%H:%M").to_string(), zone(name).local(moment).format("%Y-%m-%dT%H:%M").to_string())
    };
    let is = |utc: &str, local: &str| (utc.to_owned(), local.to_owned());
    assert_eq!(moment("Asia/Tokyo", (2026, 11, 22), (8, 0)), is("2026-11-21T23:00", "2026-11-22T08:00"));
    // Half an hour is left out, and comes twice.
    assert_eq!(moment("Australia/Lord_Howe", (2025, 10, 5), (2, 15)), is("2025-10-04T15:30", "2025-10-05T02:30"));
    assert_eq!(moment("Australia/Lord_Howe", (2025, 4, 6), (1, 45)), is("2025-04-05T14:45", "2025-04-06T01:45"));
    // The day that was not.
    assert_eq!(moment("Pacific/Apia", (2011, 12, 30), (8, 0)), is("2011-12-30T10:00", "2011-12-31T00:00"));
    assert_eq!(moment("Pacific/Apia", (2011, 12, 29), (8, 0)), is("2011-12-29T18:00", "2011-12-29T08:00"));
    // A day that began at one o'clock.
    assert_eq!(moment("America/Sao_Paulo", (2018, 11, 4), (0, 0)), is("2018-11-04T03:00", "2018-11-04T01:00"));
    // Back for Ramadan: 3:00 becomes 2:00, and forwards again.
    assert_eq!(moment("Africa/Casablanca", (2025, 2, 23), (2, 30)), is("2025-02-23T01:30", "2025-02-23T02:30"));
    assert_eq!(moment("Africa/Casablanca", (2025, 4, 6), (2, 30)), is("2025-04-06T02:00", "2025-04-06T03:00"));
}

#[test]
fn zones_have_iana_names_and_nothing_breaks_at_the_ends_of_time() {
    assert!(TimeZone::parse("").is_err() && TimeZone::parse("JST+9").is_err());
    assert_eq!(zone("Asia/Bangkok").name(), "Asia/Bangkok");
    assert_eq!(MinuteOfDay::hour(20).number(), 1_200);
    assert_eq!(MinuteOfDay::hour(99), MinuteOfDay::hour(23));
    for zone in TZ_VARIANTS.map(TimeZone) {
        for end in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            let _ = zone.moment(zone.local(end));
        }
        let _ = (zone.moment(NaiveDateTime::MIN), zone.moment(NaiveDateTime::MAX));
    }
}

proptest! {
    #[test]
    fn times_and_days_read_as_they_are_written(minutes in 0i32..1_440, days in 0u64..80_000, text in "[0-9:-]{0,11}|.{0,12}") {
        let time = MinuteOfDay::parse(minutes).unwrap();
        prop_assert_eq!(MinuteOfDay::read(&time.to_string()), Ok(time));
        let day = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap() + chrono::Days::new(days);
        prop_assert_eq!(read_day(&day.to_string()), Ok(day));
        prop_assert!(MinuteOfDay::read(&text).is_ok_and(|time| time.to_string() == text) || MinuteOfDay::read(&text).is_err());
        prop_assert!(read_day(&text).is_ok_and(|day| day.to_string() == text) || read_day(&text).is_err());
    }
}

#[test]
fn what_is_no_time_or_day_is_refused() {
    for text in ["", "8:00", "24:00", "08:60", "08:00:00", "+8:00", "08-00", "0800", "０８:００", "08:0"] {
        assert!(MinuteOfDay::read(text).is_err(), "{text}");
    }
    for text in ["", "2026-02-29", "2026-13-01", "2026-1-1", "20260101", "2026/01/01", "-026-01-01"] {
        assert!(read_day(text).is_err(), "{text}");
    }
}
