//! Which bodies are held although nothing proves them: an account's channel secret was issued anew in LINE's console, and the new one
//! has not been set here yet. They are answered as unproved, so that LINE delivers them again, and judged once more when it is set.

use bytes::Bytes;
use chrono::TimeDelta;
use kernel::Timestamp;

use crate::account::Account;
use crate::event::read;

/// How long a body is held.
pub const HELD_FOR: TimeDelta = TimeDelta::minutes(15);
/// The largest body that is held, in bytes. What LINE sends is far smaller; what is larger is not even read.
const LARGEST: usize = 128 * 1_024;
/// How old an event's ID may be. A redelivered event keeps its ID, and LINE does not say for how long it redelivers.
const OLDEST: TimeDelta = TimeDelta::days(1);
/// How far an ID may be ahead: clocks differ, but not by more.
const AHEAD: TimeDelta = TimeDelta::minutes(15);

/// Whether a body whose signature no secret of the account proves is worth holding: a webhook of the account's own bot, with an event,
/// and with none but recent ones. Whoever only knows the address does not know the bot.
#[must_use]
pub fn is_worth_holding(account: &Account, body: &Bytes, now: Timestamp) -> bool {
    let Some(bot) = account.bot_user_id.as_ref().filter(|_| body.len() <= LARGEST) else { return false };
    let Ok(reading) = read(body) else { return false };
    let recent = |at: u64| {
        let at = i64::try_from(at).ok().and_then(Timestamp::from_timestamp_millis);
        at.is_some_and(|at| now - at <= OLDEST && at - now <= AHEAD)
    };
    *bot == reading.destination
        && !reading.events.is_empty()
        && reading.events.iter().all(|event| recent(event.id.timestamp_ms()))
}

/// Whether a body's time to be held is over.
#[must_use]
pub fn is_over(received: Timestamp, now: Timestamp) -> bool {
    now - received >= HELD_FOR
}

/// How much more may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    bodies: usize,
    bytes: usize,
}

impl Room {
    /// What is held of one account, by all replicas together.
    pub const OF_ACCOUNT: Self = Self { bodies: 500, bytes: 2 << 20 };
    /// What one replica remembers until it is written down.
    pub const OF_REPLICA: Self = Self { bodies: 4_096, bytes: 16 << 20 };

    /// What is left of it beside so many bodies of so many bytes together.
    #[must_use]
    pub const fn beside(self, bodies: usize, bytes: usize) -> Self {
        Self { bodies: self.bodies.saturating_sub(bodies), bytes: self.bytes.saturating_sub(bytes) }
    }

    /// Whether a body of so many bytes fits.
    #[must_use]
    pub const fn fits(self, bytes: usize) -> bool {
        self.bodies > 0 && bytes <= self.bytes
    }

    /// Takes the place of a body, if there is one for it.
    #[must_use]
    pub const fn take(&mut self, bytes: usize) -> bool {
        let fits = self.fits(bytes);
        if fits {
            *self = self.beside(1, bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ulid::Ulid;
    use uuid::Uuid;

    const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";

    fn now() -> Timestamp {
        Timestamp::from_timestamp_millis(1_700_000_000_000).unwrap()
    }

    fn account(bot: Option<&str>) -> Account {
        Account {
            tenant: Uuid::from_u128(1).into(),
            id: Uuid::from_u128(2).into(),
            version: 1,
            bot_user_id: bot.map(str::to_owned),
            keys: Vec::new(),
            secrets: Vec::new(),
        }
    }

    fn body(bot: &str, ages: &[TimeDelta]) -> Bytes {
        let event = |age: &TimeDelta| {
            let at = u64::try_from((now() - *age).timestamp_millis()).unwrap();
            format!(r#"{{"type":"follow","timestamp":{at},"webhookEventId":"{}"}}"#, Ulid::from_parts(at, 7))
        };
        let events: Vec<String> = ages.iter().map(event).collect();
        Bytes::from(format!(r#"{{"destination":"{bot}","events":[{}]}}"#, events.join(",")))
    }

    #[test]
    fn a_recent_webhook_of_the_accounts_own_bot_is_worth_holding_and_nothing_else_is() {
        let held = |bot: Option<&str>, body: &Bytes| is_worth_holding(&account(bot), body, now());
        let (fresh, second) = (body(BOT, &[TimeDelta::zero()]), TimeDelta::seconds(1));
        assert!(held(Some(BOT), &fresh));
        assert!(held(Some(BOT), &body(BOT, &[OLDEST, -AHEAD])), "redelivered, and by a clock that is ahead");
        for (why, bot, body) in [
            ("another bot", Some(BOT), body("U00000000000000000000000000000000", &[TimeDelta::zero()])),
            ("the bot is not known", None, fresh.clone()),
            ("no event", Some(BOT), body(BOT, &[])),
            ("too old", Some(BOT), body(BOT, &[TimeDelta::zero(), OLDEST + second])),
            ("too far ahead", Some(BOT), body(BOT, &[-AHEAD - second])),
            ("no webhook", Some(BOT), Bytes::from_static(b"{}")),
            ("too large", Some(BOT), Bytes::from([&fresh[..], &vec![b' '; LARGEST]].concat())),
        ] {
            assert!(!held(bot, &body), "{why}");
        }
    }

    #[test]
    fn a_body_is_held_for_a_quarter_of_an_hour() {
        assert!(!is_over(now(), now() + HELD_FOR - TimeDelta::milliseconds(1)));
        assert!(is_over(now(), now() + HELD_FOR));
        assert!(!is_over(now(), now() - TimeDelta::hours(1)), "the clock was put back");
    }

    proptest! {
        #[test]
        fn what_was_taken_never_exceeds_the_room(sizes in prop::collection::vec(0usize..200_000, 0..800)) {
            let mut room = Room::OF_ACCOUNT;
            let taken: Vec<usize> = sizes.into_iter().filter(|size| room.take(*size)).collect();
            prop_assert!(taken.len() <= 500);
            prop_assert!(taken.iter().sum::<usize>() <= 2 << 20);
            prop_assert_eq!(room, Room::OF_ACCOUNT.beside(taken.len(), taken.iter().sum()));
        }

        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = is_worth_holding(&account(Some(BOT)), &Bytes::from(bytes), now());
        }
    }
}
