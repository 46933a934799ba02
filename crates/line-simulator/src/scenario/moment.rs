//! Moments of a timeline: lengths of time as people write them, and the order of the steps. Pure.

use std::fmt::Write as _;

use chrono::TimeDelta;

/// Longest length of time.
pub(super) const LONGEST: TimeDelta = TimeDelta::days(366);
/// The units, from the largest, in milliseconds.
const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of time: whole numbers with `d`, `h`, `m`, `s` or `ms` behind them, largest first, each at most once:
/// `1h30m`, `5s`, `250ms`. A `+` in front says nothing more. At most a year.
pub(super) fn length(text: &str) -> Option<TimeDelta> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut millis: i64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (_, unit) = units.find(|(name, _)| *name == &rest[..letters])?;
        millis = millis.checked_add(number.checked_mul(*unit)?)?;
        rest = &rest[letters..];
    }
    TimeDelta::try_milliseconds(millis).filter(|length| *length <= LONGEST)
}

/// The same length as [`length`] reads it.
pub(super) fn text(length: TimeDelta) -> String {
    let mut left = length.num_milliseconds();
    let mut text = String::new();
    for (name, unit) in UNITS {
        if left >= unit {
            let _ = write!(text, "{}{name}", left / unit);
            left %= unit;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// When a step comes, as the file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So long after the beginning.
    At(TimeDelta),
    /// So long after the step above it in the file.
    After(TimeDelta),
}

/// The moments of steps from the beginning, in the order of the file.
pub(super) fn moments(steps: impl IntoIterator<Item = When>) -> Vec<TimeDelta> {
    let mut above = TimeDelta::zero();
    steps
        .into_iter()
        .map(|when| {
            above = match when {
                When::At(at) => at,
                When::After(wait) => above + wait,
            };
            above
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..=LONGEST.num_milliseconds()) {
            let one = TimeDelta::milliseconds(millis);
            prop_assert_eq!(length(&text(one)), Some(one));
            prop_assert_eq!(length(&format!("+{}", text(one))), Some(one));
        }

        #[test]
        fn no_text_makes_reading_panic_or_pass_a_year(text in "[+]?[0-9]{0,20}[a-z]{0,3}[0-9]{0,3}[a-z]{0,2}") {
            prop_assert!(length(&text).is_none_or(|read| read >= TimeDelta::zero() && read <= LONGEST));
        }

        /// However the file says its moments, each step is so long after the one above it, or after the beginning.
        #[test]
        fn moments_add_up(steps in proptest::collection::vec((any::<bool>(), 0_i64..1_000_000), 0..50)) {
            let say = |(absolute, millis): (bool, i64)| {
                let length = TimeDelta::milliseconds(millis);
                if absolute { When::At(length) } else { When::After(length) }
            };
            let said: Vec<When> = steps.into_iter().map(say).collect();
            let found = moments(said.iter().copied());
            prop_assert_eq!(found.len(), said.len());
            let mut above = TimeDelta::zero();
            for (when, at) in said.into_iter().zip(found) {
                prop_assert_eq!(at, match when { When::At(at) => at, When::After(wait) => above + wait });
                above = at;
            }
        }
    }

    #[test]
    fn lengths_are_numbers_with_units_the_largest_first() {
        assert_eq!(length("1h30m"), Some(TimeDelta::minutes(90)));
        assert_eq!(length("+5s"), Some(TimeDelta::seconds(5)));
        assert_eq!(length("250ms"), Some(TimeDelta::milliseconds(250)));
        assert_eq!(length("1m1ms"), Some(TimeDelta::milliseconds(60_001)));
        for wrong in
            ["", "+", "5", "s", "5 s", "-5s", "1.5s", "5s1h", "5s5s", "5x", "400d", "99999999999999999999s", "５s"]
        {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }
}
