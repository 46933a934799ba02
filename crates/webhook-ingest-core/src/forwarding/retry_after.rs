//! How long a target asks to be left alone: `Retry-After` (<https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>).

use std::time::Duration;

use kernel::Timestamp;

/// How long the value asks to wait from `now` on: a number of seconds, or a date. None for anything else.
#[must_use]
pub fn wait(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = chrono::DateTime::parse_from_rfc2822(value).ok()?;
    // A date that is over asks for nothing.
    Some(date.signed_duration_since(now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let now = chrono::DateTime::from_timestamp(1_445_412_480, 0).unwrap();
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Wed, 21 Oct 2015 07:29:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(wait(value, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_passed_over(value in ".{0,40}", seconds in 0i64..4_000_000_000) {
            let _ = wait(&value, chrono::DateTime::from_timestamp(seconds, 0).unwrap());
        }
    }
}
