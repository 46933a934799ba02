//! Answers to what a LINE user did, asked for by identity-linking: whether one is queued, how long it waits for the reply token of
//! what it answers, and until when it may leave.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;

use crate::reply_window;
use crate::send_gate::{SendBarrier, SendGate};

/// How long an answer waits for the reply token of the event it answers. Both come of one webhook, and the answer may be the
/// quicker one; by push it would cost money (D-3).
pub const TOKEN_PATIENCE: Duration = Duration::from_secs(3);

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is queued.
    Queue,
    /// It is dropped.
    Drop(Dropped),
    /// The official account has not been heard of yet.
    Wait,
}

/// Why an answer is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Its time is over.
    Expired,
    /// Nothing may be sent in the conversation.
    Barred(SendBarrier),
}

impl Dropped {
    /// The reason's name, for figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "EXPIRED",
            Self::Barred(barrier) => barrier.reason(),
        }
    }
}

/// Decides over an answer that may leave until `expire`. `gate`: what is known of account and conversation; none while the
/// account is not known.
#[must_use]
pub fn decide(gate: Option<SendGate>, expire: Timestamp, now: Timestamp) -> Verdict {
    if is_over(Some(expire), now) {
        return Verdict::Drop(Dropped::Expired);
    }
    match gate.map(SendGate::check) {
        None => Verdict::Wait,
        Some(Ok(())) => Verdict::Queue,
        Some(Err(barrier)) => Verdict::Drop(Dropped::Barred(barrier)),
    }
}

/// Whether what may leave until `expire` may not leave any more; none: it always may.
#[must_use]
pub fn is_over(expire: Option<Timestamp>, now: Timestamp) -> bool {
    expire.is_some_and(|expire| expire <= now)
}

/// The reply tokens of a conversation, as far as an answer in it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The token of the event that is answered was kept, used since or not.
    pub own_kept: bool,
    /// Until when an unused one of the conversation is usable.
    pub unused_until: Option<Timestamp>,
}

/// How long an answer waits before it is planned: while the token of the event it answers may still come, and no other is at hand.
/// Never so long that its time could be over. `answers_event`: it answers an event at all.
#[must_use]
pub fn patience(answers_event: bool, tokens: Tokens, expire: Timestamp, now: Timestamp) -> Option<Duration> {
    let at_hand = tokens.unused_until.is_some_and(|until| reply_window::is_usable(until, now));
    let time_left = TimeDelta::from_std(TOKEN_PATIENCE * 2).is_ok_and(|least| expire - now > least);
    (answers_event && !tokens.own_kept && !at_hand && time_left).then_some(TOKEN_PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPEN: SendGate = SendGate {
        tenant_suspended: false,
        account_connected: true,
        friend_blocked: false,
        standby: false,
        has_recipient: true,
        has_reply_token: false,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn an_answer_is_queued_where_something_may_be_sent_and_dropped_by_its_own_name_elsewhere() {
        let decide = |gate, expire| super::decide(gate, at(expire), at(0));
        assert_eq!(decide(Some(OPEN), 1), Verdict::Queue);
        assert_eq!(decide(None, 1), Verdict::Wait);
        assert_eq!(decide(None, 0), Verdict::Drop(Dropped::Expired), "nobody waits for ever");
        assert_eq!(decide(Some(OPEN), 0), Verdict::Drop(Dropped::Expired));
        for (gate, name) in [
            (SendGate { tenant_suspended: true, ..OPEN }, "TENANT_SUSPENDED"),
            (SendGate { account_connected: false, ..OPEN }, "ACCOUNT_NOT_CONNECTED"),
            (SendGate { friend_blocked: true, ..OPEN }, "FRIEND_BLOCKED"),
            (SendGate { standby: true, ..OPEN }, "STANDBY"),
        ] {
            let Verdict::Drop(dropped) = decide(Some(gate), 1) else { panic!("{name} does not stop it") };
            assert_eq!(dropped.name(), name);
        }
        assert_eq!(Dropped::Expired.name(), "EXPIRED");
    }

    #[test]
    fn an_answer_waits_for_the_token_of_its_event_alone_and_where_none_is_at_hand() {
        let waits = |answers_event, tokens| patience(answers_event, tokens, at(60), at(0)).is_some();
        let none = Tokens::default();
        assert!(waits(true, none));
        assert!(!waits(false, none));
        assert!(!waits(true, Tokens { own_kept: true, ..none }));
        assert!(!waits(true, Tokens { unused_until: Some(at(30)), ..none }));
        assert!(waits(true, Tokens { unused_until: Some(at(1)), ..none }), "not worth a call any more");
    }

    proptest! {
        #[test]
        fn no_answer_waits_until_its_time_is_over(left in -5i64..60, own_kept: bool, until in prop::option::of(-5i64..60)) {
            let tokens = Tokens { own_kept, unused_until: until.map(at) };
            if let Some(wait) = patience(true, tokens, at(left), at(0)) {
                prop_assert!(!is_over(Some(at(left)), at(0) + wait));
                prop_assert!(wait <= Duration::from_secs(3));
            }
        }
    }
}
