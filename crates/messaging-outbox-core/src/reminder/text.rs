//! What a reminder says: the rule's text, with its variables filled in.

use std::fmt;

use chrono::{Datelike as _, NaiveDateTime, Timelike as _};
use chrono_tz::Tz;
use kernel::Timestamp;

/// The days of the week as they are written in Japan, Monday first.
const WEEKDAYS: [&str; 7] = ["月", "火", "水", "木", "金", "土", "日"];

/// A tenant's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// The zone of an IANA name; none where there is no such.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        name.parse().ok().map(Self)
    }

    /// What the wall clock shows at a moment.
    #[must_use]
    pub fn local(self, moment: Timestamp) -> NaiveDateTime {
        moment.with_timezone(&self.0).naive_local()
    }
}

/// What stands for the variables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Values<'a> {
    /// `{customer_name}`: the customer's name, the family name first.
    pub customer_name: &'a str,
    /// `{shop}`: the name of the official account.
    pub shop: &'a str,
    /// `{date}` and `{time}`: when the reservation begins, as the wall clock shows it.
    pub start: NaiveDateTime,
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("start", &self.start).finish_non_exhaustive()
    }
}

/// A text with a brace that is of no variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text names a variable there is not")]
pub struct UnknownVariable;

/// Fills a rule's text in. What stands for a variable is never read as another one.
///
/// # Errors
/// When a brace in `template` is not one of `{customer_name}`, `{date}`, `{time}` and `{shop}`.
pub fn fill_in(template: &str, values: &Values<'_>) -> Result<String, UnknownVariable> {
    let mut pieces = template.split('{');
    let before = pieces.next().unwrap_or_default();
    let mut text = plain(before)?.to_owned();
    for piece in pieces {
        let (name, behind) = piece.split_once('}').ok_or(UnknownVariable)?;
        match name {
            "customer_name" => text.push_str(values.customer_name),
            "shop" => text.push_str(values.shop),
            "date" => text.push_str(&date(values.start)),
            "time" => text.push_str(&time(values.start)),
            _ => return Err(UnknownVariable),
        }
        text.push_str(plain(behind)?);
    }
    Ok(text)
}

fn plain(text: &str) -> Result<&str, UnknownVariable> {
    if text.contains('}') { Err(UnknownVariable) } else { Ok(text) }
}

/// A day as it is written in Japan: `11月24日(火)`.
fn date(at: NaiveDateTime) -> String {
    let weekday = usize::try_from(at.weekday().num_days_from_monday()).ok().and_then(|day| WEEKDAYS.get(day));
    format!("{}月{}日({})", at.month(), at.day(), weekday.unwrap_or(&""))
}

/// A time of day: `9:30`.
fn time(at: NaiveDateTime) -> String {
    format!("{}:{:02}", at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{NaiveDate, TimeDelta};
    use proptest::prelude::*;

    const VARIABLES: [&str; 4] = ["{customer_name}", "{date}", "{time}", "{shop}"];

    fn start() -> NaiveDateTime {
        NaiveDate::from_ymd_opt(2026, 11, 24).unwrap().and_hms_opt(9, 5, 0).unwrap()
    }

    fn values<'a>(customer_name: &'a str, shop: &'a str) -> Values<'a> {
        Values { customer_name, shop, start: start() }
    }

    #[test]
    fn a_reminder_names_customer_day_time_and_shop() {
        let template = "{customer_name}様\n{date} {time}に{shop}でお待ちしております。";
        let text = fill_in(template, &values("山田 花子", "さくら美容室")).unwrap();
        assert_eq!(text, "山田 花子様\n11月24日(火) 9:05にさくら美容室でお待ちしております。");
    }

    #[test]
    fn a_brace_that_is_of_no_variable_is_refused() {
        for template in ["{name}", "{", "}", "a}b", "{date", "date}", "{{date}}", "{date}}", "{}", "{Date}"] {
            assert_eq!(fill_in(template, &values("a", "b")), Err(UnknownVariable), "{template}");
        }
    }

    #[test]
    fn the_wall_clock_is_the_tenants() {
        let moment = Timestamp::from_timestamp(1_795_480_200, 0).unwrap();
        let shown = |zone| Zone::parse(zone).map(|zone| zone.local(moment).format("%F %R").to_string());
        assert_eq!(shown("UTC").as_deref(), Some("2026-11-24 00:30"));
        assert_eq!(shown("Asia/Tokyo").as_deref(), Some("2026-11-24 09:30"));
        assert_eq!(shown("America/New_York").as_deref(), Some("2026-11-23 19:30"));
        assert_eq!(shown("Mars/Olympus"), None);
        let summer = moment - TimeDelta::days(150);
        let local = Zone::parse("America/New_York").unwrap().local(summer);
        assert_eq!(local.format("%R").to_string(), "20:30", "an hour of summer time");
    }

    #[test]
    fn nothing_personal_is_printed() {
        assert!(!format!("{:?}", values("山田", "shop")).contains("山田"));
    }

    proptest! {
        #[test]
        fn every_variable_is_filled_in_and_nothing_else_is_changed(
            parts in prop::collection::vec((prop::option::of(0usize..4), "[^{}]{0,12}"), 0..12),
            customer_name in ".{0,20}", shop in ".{0,20}",
        ) {
            let (mut template, mut expected) = (String::new(), String::new());
            let filled = [customer_name.clone(), date(start()), time(start()), shop.clone()];
            for (variable, words) in &parts {
                if let Some(variable) = variable {
                    template.push_str(VARIABLES[*variable]);
                    expected.push_str(&filled[*variable]);
                }
                template.push_str(words);
                expected.push_str(words);
            }
            // Also where a name or a shop's holds braces itself.
            prop_assert_eq!(fill_in(&template, &values(&customer_name, &shop)), Ok(expected));
        }

        #[test]
        fn no_text_breaks_it(template in ".{0,80}") {
            let _ = fill_in(&template, &values("{date}", "}"));
        }

        #[test]
        fn every_moment_has_a_day_and_a_time(seconds in 0i64..4_000_000_000, zone in 0usize..chrono_tz::TZ_VARIANTS.len()) {
            let zone = Zone(chrono_tz::TZ_VARIANTS[zone]);
            let local = zone.local(Timestamp::from_timestamp(seconds, 0).unwrap());
            let (day, clock) = (date(local), time(local));
            prop_assert!(day.ends_with(')') && day.chars().any(|c| WEEKDAYS.iter().any(|name| name.starts_with(c))));
            prop_assert_eq!(clock.split_once(':').map(|(_, minutes)| minutes.len()), Some(2));
        }
    }
}
