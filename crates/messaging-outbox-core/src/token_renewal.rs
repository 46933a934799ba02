//! When a channel access token may be got in the place of one that LINE refuses.
//!
//! LINE lets a channel have 30 tokens of v2.1 at once, for up to 30 days each
//! (<https://developers.line.biz/en/docs/basics/channel-access-token/>). A token may be revoked, so another is got at once; but
//! where LINE refuses that one, too, the next ones must wait, or an account that LINE has stopped would use them all up.

use chrono::TimeDelta;
use kernel::Timestamp;

/// The pause between the second token in the place of a refused one and the third; it doubles from there.
const FIRST_PAUSE: TimeDelta = TimeDelta::minutes(2);
/// The longest pause, and after how long one renewal is forgotten.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(2);

/// How often tokens of one credential were replaced because LINE refused them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewals {
    /// How often lately; one is forgotten every two days.
    pub count: u16,
    /// When last.
    pub last_time: Timestamp,
}

/// Whether a refused token may be replaced at `now`: the renewals with this one, or from when on it may be.
///
/// # Errors
/// The time from which on another token may be got.
pub fn renew(before: Option<Renewals>, now: Timestamp) -> Result<Renewals, Timestamp> {
    let Some(before) = before else { return Ok(Renewals { count: 1, last_time: now }) };
    let forgotten = (now - before.last_time).num_seconds().max(0) / LONGEST_PAUSE.num_seconds();
    let count = before.count.saturating_sub(u16::try_from(forgotten).unwrap_or(u16::MAX));
    let allowed_from = before.last_time + pause(count);
    if now < allowed_from { Err(allowed_from) } else { Ok(Renewals { count: count.saturating_add(1), last_time: now }) }
}

fn pause(count: u16) -> TimeDelta {
    match count {
        0 => TimeDelta::zero(),
        count => (FIRST_PAUSE * (1 << (count - 1).min(15))).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_revoked_token_is_replaced_at_once_and_the_next_only_after_growing_pauses() {
        let start = Timestamp::UNIX_EPOCH;
        let first = renew(None, start).unwrap();
        assert_eq!(first, Renewals { count: 1, last_time: start });
        assert_eq!(renew(Some(first), start + TimeDelta::seconds(1)), Err(start + FIRST_PAUSE));
        let second = renew(Some(first), start + FIRST_PAUSE).unwrap();
        assert_eq!(renew(Some(second), second.last_time), Err(second.last_time + FIRST_PAUSE * 2));
        let much_later = start + LONGEST_PAUSE * 9;
        assert_eq!(renew(Some(second), much_later), Ok(Renewals { count: 1, last_time: much_later }));
    }

    proptest! {
        #[test]
        fn thirty_days_never_take_as_many_tokens_as_line_allows(steps in prop::collection::vec(1i64..300_000, 0..1_000)) {
            let (mut now, mut renewals, mut issued) = (Timestamp::UNIX_EPOCH, None, Vec::new());
            for step in steps {
                now += TimeDelta::seconds(step);
                if let Ok(renewed) = renew(renewals, now) {
                    renewals = Some(renewed);
                    issued.push(now);
                }
                issued.retain(|time| now - *time < TimeDelta::days(30));
                prop_assert!(issued.len() < 29, "{} at once", issued.len());
            }
        }
    }
}
