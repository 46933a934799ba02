//! By reply or by push (L-06): replies are free, a push counts against the month's quota (D-3).

use std::time::Duration;

use chrono::TimeDelta;
use kernel::Timestamp;

use crate::reply_window;

/// The class of what staff and services say in a conversation: it leaves before notices and campaigns, whose classes are higher, and
/// it alone may go by reply (L-06).
pub const CONVERSATION: i16 = 0;
/// The class of reminders to customers (F-107): pushes that leave after every conversation.
pub const REMINDER: i16 = 1;
/// The class of notices to staff on the tenant's staff account: pushes, counted as such, that leave after every conversation.
pub const STAFF_NOTICE: i16 = 2;

/// Whether a message may cost money. The codes are those of `tsunagi.messaging.v1.SendPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendPolicy {
    /// By reply token while one is valid, by push otherwise.
    ReplyFirst,
    /// By push.
    PushOnly,
    /// By reply token or not at all.
    ReplyOnly,
}

impl SendPolicy {
    /// The policy's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::ReplyFirst => 1,
            Self::PushOnly => 2,
            Self::ReplyOnly => 3,
        }
    }

    /// Whether a single message of `class` can leave in one way only: by push, with its own ID as retry key. Its claim says all
    /// there is to know of its request, so nothing else is written before the call (L-05).
    #[must_use]
    pub const fn is_push_alone(self, class: i16) -> bool {
        class > CONVERSATION || matches!(self, Self::PushOnly)
    }

    /// The policy of that number; reply first where none is stated.
    #[must_use]
    pub const fn from_code(code: i16) -> Self {
        match code {
            2 => Self::PushOnly,
            3 => Self::ReplyOnly,
            _ => Self::ReplyFirst,
        }
    }
}

/// How soon what is put back is looked at again while a reply token of its conversation is left: it may go free then. Not at once,
/// for whatever keeps it from using the token would put it back again.
pub const FREE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whether a message of `class` that goes by push now may yet go by reply. `in_doubt`: LINE may have it already, and only the same
/// push may be repeated (L-05).
#[must_use]
pub fn may_yet_reply(class: i16, policy: SendPolicy, in_doubt: bool) -> bool {
    class == CONVERSATION && policy != SendPolicy::PushOnly && !in_doubt
}

/// How long what may yet go by reply is put back for, instead of `wait`. `token_until`: until when an unused token of its
/// conversation is usable, which came while the message was in hand and woke nobody.
#[must_use]
pub fn wait_beside_token(wait: Duration, token_until: Option<Timestamp>, now: Timestamp) -> Duration {
    let then = TimeDelta::from_std(FREE_AGAIN_AFTER).map_or(now, |after| now + after);
    let serves = token_until.is_some_and(|until| reply_window::is_usable(until, then));
    if serves { wait.min(FREE_AGAIN_AFTER) } else { wait }
}

/// How a message leaves. The codes are those of `tsunagi.messaging.v1.SendMethod`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendMethod {
    /// By reply token: free, and without a retry key.
    Reply,
    /// By push, with a retry key.
    Push,
}

impl SendMethod {
    /// The method's number, as the proto has it.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::Reply => 1,
            Self::Push => 2,
        }
    }

    /// The method of that number.
    #[must_use]
    pub const fn from_code(code: i16) -> Option<Self> {
        match code {
            1 => Some(Self::Reply),
            2 => Some(Self::Push),
            _ => None,
        }
    }
}

/// The way a message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// By reply, with the token at hand.
    Reply,
    /// By push.
    Push,
    /// There is none: only a reply is allowed or possible, and no token is at hand.
    None,
}

/// Chooses the way of a message. `token_until`: until when the token at hand is usable, if there is one; `has_recipient`:
/// whether LINE named somebody to push to.
#[must_use]
pub fn route(policy: SendPolicy, token_until: Option<Timestamp>, has_recipient: bool, now: Timestamp) -> Route {
    let can_reply = token_until.is_some_and(|until| reply_window::is_usable(until, now));
    match policy {
        SendPolicy::ReplyFirst | SendPolicy::ReplyOnly if can_reply => Route::Reply,
        SendPolicy::ReplyFirst | SendPolicy::PushOnly if has_recipient => Route::Push,
        _ => Route::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_goes_first_and_only_where_it_may() {
        let now = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let (valid, over) = (Some(now + TimeDelta::seconds(30)), Some(now - TimeDelta::seconds(1)));
        for (policy, token, recipient, expected) in [
            (SendPolicy::ReplyFirst, valid, true, Route::Reply),
            (SendPolicy::ReplyFirst, over, true, Route::Push),
            (SendPolicy::ReplyFirst, None, false, Route::None),
            (SendPolicy::PushOnly, valid, true, Route::Push),
            (SendPolicy::PushOnly, valid, false, Route::None),
            (SendPolicy::ReplyOnly, valid, false, Route::Reply),
            (SendPolicy::ReplyOnly, over, true, Route::None),
        ] {
            assert_eq!(route(policy, token, recipient, now), expected, "{policy:?} {token:?} {recipient}");
        }
    }

    #[test]
    fn what_is_put_back_beside_a_token_is_looked_at_soon_and_never_at_once() {
        let now = Timestamp::from_timestamp(1_700_000_000, 0).unwrap();
        let beside = |wait, left: Option<i64>| {
            let until = left.map(|left| now + TimeDelta::seconds(left));
            wait_beside_token(Duration::from_secs(wait), until, now).as_secs()
        };
        assert_eq!((beside(600, Some(30)), beside(600, None)), (1, 600));
        assert_eq!((beside(600, Some(3)), beside(600, Some(2))), (1, 600), "it must serve a second later, too");
        assert_eq!(beside(0, Some(30)), 0);
        assert!(may_yet_reply(CONVERSATION, SendPolicy::ReplyFirst, false));
        assert!(!may_yet_reply(CONVERSATION, SendPolicy::PushOnly, false));
        assert!(!may_yet_reply(CONVERSATION, SendPolicy::ReplyFirst, true));
        assert!(!may_yet_reply(CONVERSATION + 1, SendPolicy::ReplyFirst, false));
    }

    #[test]
    fn codes_come_back() {
        for policy in [SendPolicy::ReplyFirst, SendPolicy::PushOnly, SendPolicy::ReplyOnly] {
            assert_eq!(SendPolicy::from_code(policy.code()), policy);
            assert!(policy.is_push_alone(1), "notices and campaigns use no reply token");
            assert_eq!(policy.is_push_alone(0), policy == SendPolicy::PushOnly);
        }
        for method in [SendMethod::Reply, SendMethod::Push] {
            assert_eq!(SendMethod::from_code(method.code()), Some(method));
        }
    }
}
