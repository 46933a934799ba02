//! Numbers. JSON bounds them in no way, ours are bounded: what is beyond the bound is read as if it stood there, for an event
//! must not be lost by a number in it.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// What stands for a number too large to be held; still a number, and far beyond whatever is counted or measured.
const BEYOND: &str = "1e308";

/// The whole part of a number; of one that an `i64` cannot hold, the nearest it can. None for what is no number.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction goes, and a cast from a float stops at the bounds"
    )]
    number.as_i64().or_else(|| number.as_f64().map(|number| number as i64))
}

/// The same of JSON text.
pub(super) fn whole_of(json: &str) -> Option<i64> {
    let number: Number = serde_json::from_str(json).or_else(|_| serde_json::from_str(&repaired(json))).ok()?;
    whole(&Value::Number(number))
}

/// The same JSON text with `1e308` (or `-1e308`) in the place of every number too large to be held.
pub(super) fn repaired(json: &str) -> Cow<'_, str> {
    let mut whole = String::new();
    let (mut kept, mut at, mut in_string) = (0, 0, false);
    let bytes = json.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let length = bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
                let number = &json[at..at + length];
                if is_too_large(number) {
                    whole.push_str(&json[kept..at]);
                    whole.push_str(if number.starts_with('-') { "-" } else { "" });
                    whole.push_str(BEYOND);
                    kept = at + length;
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    whole.push_str(&json[kept..]);
    Cow::Owned(whole)
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Whether it is written as a number is, and cannot be held.
fn is_too_large(text: &str) -> bool {
    serde_json::from_str::<Number>(text).is_err() && serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_cannot_be_held_is_replaced() {
        let long = "1".repeat(5_000);
        for (json, expected) in [
            ("[1,-2.5e3,1e308]", "[1,-2.5e3,1e308]"),
            (r#"{"a":1e999,"b":-1e999}"#, r#"{"a":1e308,"b":-1e308}"#),
            (&*format!(r#"{{"a":{long},"あ":"{long}"}}"#), &*format!(r#"{{"a":1e308,"あ":"{long}"}}"#)),
            (r#"["\"1e999",1e999]"#, r#"["\"1e999",1e308]"#),
            ("[1.2e999.3,01e999,-]", "[1.2e999.3,01e999,-]"),
            ("1e999", "1e308"),
        ] {
            assert_eq!(repaired(json), expected);
        }
    }

    #[test]
    fn a_whole_number_stops_at_its_bounds() {
        for (json, expected) in [
            ("1700000000123", Some(1_700_000_000_123)),
            ("-5", Some(-5)),
            ("1.7e3", Some(1_700)),
            ("2.9", Some(2)),
            ("9223372036854775808", Some(i64::MAX)),
            ("-1e300", Some(i64::MIN)),
            ("1e999", Some(i64::MAX)),
            ("-1e999", Some(i64::MIN)),
            ("null", None),
            ("\"5\"", None),
        ] {
            assert_eq!(whole_of(json), expected, "{json}");
        }
    }

    proptest! {
        /// Whatever JSON allows as a number is read.
        #[test]
        fn every_number_can_be_read(number in r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,6})?") {
            prop_assert!(serde_json::from_str::<Number>(&repaired(&number)).is_ok());
            prop_assert!(whole_of(&number).is_some());
        }

        #[test]
        fn what_is_held_already_stays(number: i64, fraction: f32) {
            prop_assert_eq!(whole_of(&number.to_string()), Some(number));
            let json = format!("[{number},{fraction:e}]");
            prop_assert_eq!(repaired(&json), json.as_str());
        }

        /// What is no JSON does not become any.
        #[test]
        fn no_text_is_made_json(text in r#"[-+.eE0-9"\\,あ]{0,60}"#) {
            let was = serde_json::from_str::<&RawValue>(&text).is_ok();
            prop_assert_eq!(serde_json::from_str::<&RawValue>(&repaired(&text)).is_ok(), was);
        }
    }
}
