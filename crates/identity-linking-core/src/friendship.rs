//! What LINE's events tell of a friendship, whatever their order and however often they come (L-15).
//!
//! Only `follow` and `unfollow` turn a friendship (<https://developers.line.biz/en/reference/messaging-api/#follow-event>);
//! the one with the latest of LINE's own timestamps holds. Everything else a user does shows that the user is there: friends
//! from before the account was connected never send `follow` (F-59), and who is no friend can write too. What happens in
//! groups and rooms tells nothing of a friendship (D-11); in `standby` mode it does, as recording is not answering.

mod renewal;

use kernel::Timestamp;
use line_types::id::UserId;
use line_types::webhook::{Event, EventKind, Source};
use serde_json::{Value, json};

pub use renewal::{Anew, Renewal};

use crate::link::Tap;

/// What of an event [`sign_of`] and [`act_of`](crate::link::act_of) look at, with what says which event it is.
const TOLD: [&str; 8] = ["type", "mode", "timestamp", "webhookEventId", "deliveryContext", "source", "follow", "link"];

/// What one event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// The user added the account, or unblocked it.
    Follow,
    /// The user blocked the account.
    Unfollow,
    /// The user did anything else.
    Contact,
}

/// One event, as a friendship sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it tells.
    pub sign: Sign,
    /// When it occurred, by LINE's clock.
    pub at: Timestamp,
    /// LINE's ID of the event; settles which of two events of one millisecond holds.
    pub event_id: String,
}

/// What is known of a friendship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FriendshipState {
    /// Seen, never heard of a follow: a friend from before, or a visitor (F-59).
    Seen,
    /// Added as a friend, or unblocked.
    Friend,
    /// Blocked: nothing can be sent.
    Blocked,
}

/// A friendship between one LINE user and one official account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Friendship {
    /// The earliest event heard of.
    pub first_seen: Timestamp,
    /// The latest follow or unfollow heard of.
    pub turn: Option<Turn>,
}

/// A follow or an unfollow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// When it occurred, by LINE's clock.
    pub at: Timestamp,
    /// LINE's ID of the event.
    pub event_id: String,
    /// Whether it was a follow.
    pub follow: bool,
}

/// Who the event is about and what it tells of the friendship; none for events without a user in a one-on-one chat (D-11).
pub fn sign_of(event: &Event) -> Option<(&UserId, Sign)> {
    let Some(Source::User { user_id: Some(user) }) = &event.source else { return None };
    let sign = match event.kind {
        EventKind::Follow { .. } => Sign::Follow,
        EventKind::Unfollow => Sign::Unfollow,
        _ => Sign::Contact,
    };
    Some((user, sign))
}

/// What of an event tells who did what, and nothing more: [`sign_of`] and [`act_of`](crate::link::act_of) say the same of it.
/// Texts, reply tokens and whatever else LINE sent are left out; of buttons, our own alone are told, and of a message that it is one.
pub fn bare(event: &Event) -> String {
    let is_ours = |data: &Value| data.as_str().is_some_and(|data| data.starts_with(Tap::PREFIX));
    let is_message = matches!(event.kind, EventKind::Message { .. });
    let told = |name: &str, value: &Value| match name {
        "postback" if is_ours(&value["data"]) => Some(json!({ "data": value["data"] })),
        "message" if is_message => Some(json!({ "type": "text", "id": value["id"], "text": "" })),
        "message" => None,
        _ => TOLD.contains(&name).then(|| value.clone()),
    };
    let kept = event.raw.iter().filter_map(|(name, value)| Some((name.clone(), told(name, value)?)));
    Value::Object(kept.collect()).to_string()
}

impl Friendship {
    /// What a first event tells.
    pub fn begin(seen: &Seen) -> Self {
        Self { first_seen: seen.at, turn: Turn::of(seen) }
    }

    /// What is known after a further event, in whatever order they come; the same event again changes nothing.
    #[must_use]
    pub fn fold(self, seen: &Seen) -> Self {
        Self { first_seen: self.first_seen.min(seen.at), turn: Turn::later(self.turn, Turn::of(seen)) }
    }

    /// What is known.
    pub fn state(&self) -> FriendshipState {
        FriendshipState::after(self.turn.as_ref())
    }

    /// When that state began, by LINE's clock.
    pub fn since(&self) -> Timestamp {
        self.turn.as_ref().map_or(self.first_seen, |turn| turn.at)
    }
}

impl Turn {
    fn of(seen: &Seen) -> Option<Self> {
        let follow = match seen.sign {
            Sign::Follow => true,
            Sign::Unfollow => false,
            Sign::Contact => return None,
        };
        Some(Self { at: seen.at, event_id: seen.event_id.clone(), follow })
    }

    /// The later of two.
    fn later(known: Option<Self>, told: Option<Self>) -> Option<Self> {
        match (known, told) {
            (Some(known), Some(told)) if told.place() > known.place() => Some(told),
            (known, told) => known.or(told),
        }
    }

    /// Its place among all follows and unfollows of the friendship; no two differ only in what they tell.
    fn place(&self) -> (Timestamp, &str, bool) {
        (self.at, &self.event_id, self.follow)
    }
}

impl FriendshipState {
    /// What is known after this turn, or without one.
    pub fn after(turn: Option<&Turn>) -> Self {
        match turn {
            None => Self::Seen,
            Some(turn) if turn.follow => Self::Friend,
            Some(_) => Self::Blocked,
        }
    }

    /// The word it is kept as.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seen => "SEEN",
            Self::Friend => "FRIEND",
            Self::Blocked => "BLOCKED",
        }
    }

    /// The state a kept word means.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Seen, Self::Friend, Self::Blocked].into_iter().find(|state| state.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::act_of;
    use proptest::prelude::*;

    fn seen(sign: Sign, at: i64) -> Seen {
        Seen { sign, at: Timestamp::from_timestamp_millis(at).unwrap(), event_id: format!("{at:026}") }
    }

    fn after(events: &[Seen]) -> Friendship {
        let (first, rest) = events.split_first().unwrap();
        rest.iter().fold(Friendship::begin(first), Friendship::fold)
    }

    #[test]
    fn a_friend_from_before_who_writes_is_seen_and_stays_seen() {
        let friendship = after(&[seen(Sign::Contact, 5), seen(Sign::Contact, 9)]);
        assert_eq!(friendship.state(), FriendshipState::Seen);
        assert_eq!(friendship.since().timestamp_millis(), 5);
    }

    #[test]
    fn an_unfollow_that_arrives_before_the_earlier_follow_still_holds() {
        let friendship = after(&[seen(Sign::Unfollow, 9), seen(Sign::Follow, 5)]);
        assert_eq!((friendship.state(), friendship.since().timestamp_millis()), (FriendshipState::Blocked, 9));
        assert_eq!(friendship.first_seen.timestamp_millis(), 5);
        let again = friendship.fold(&seen(Sign::Follow, 12));
        assert_eq!((again.state(), again.since().timestamp_millis()), (FriendshipState::Friend, 12));
    }

    #[test]
    fn a_late_copy_of_an_early_message_never_ends_a_friendship() {
        let friendship = after(&[seen(Sign::Follow, 5), seen(Sign::Contact, 9), seen(Sign::Contact, 2)]);
        assert_eq!((friendship.state(), friendship.since().timestamp_millis()), (FriendshipState::Friend, 5));
    }

    fn event(json: &str) -> Event {
        Event::parse(json).unwrap()
    }

    #[test]
    fn any_event_of_a_user_tells_that_the_user_is_there() {
        let user = r#""source":{"type":"user","userId":"U0123456789abcdef0123456789abcdef"}"#;
        for (kind, sign) in [
            ("follow", Sign::Follow),
            ("unfollow", Sign::Unfollow),
            ("message", Sign::Contact),
            ("postback", Sign::Contact),
            ("accountLink", Sign::Contact),
            ("beacon", Sign::Contact),
            ("somethingNew", Sign::Contact),
        ] {
            for mode in ["active", "standby"] {
                let event = event(&format!(r#"{{"type":"{kind}","mode":"{mode}","timestamp":1,{user}}}"#));
                assert_eq!(sign_of(&event).map(|(_, sign)| sign), Some(sign), "{kind} {mode}");
            }
        }
    }

    #[test]
    fn groups_rooms_and_events_without_a_user_tell_nothing() {
        for source in [
            r#""source":{"type":"group","groupId":"C1","userId":"U0123456789abcdef0123456789abcdef"}"#,
            r#""source":{"type":"room","roomId":"R1","userId":"U0123456789abcdef0123456789abcdef"}"#,
            r#""source":{"type":"user"}"#,
            r#""source":{"type":"user","userId":"someone"}"#,
            r#""mode":"active""#,
        ] {
            let event = event(&format!(r#"{{"type":"message","timestamp":1,{source}}}"#));
            assert_eq!(sign_of(&event), None, "{source}");
        }
    }

    /// Names of an event's parts; `text` and `replyToken` stand for all that nobody here needs.
    fn any_part() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(r#""message":{"id":"1","type":"text","text":"KEEP OUT"}"#.to_owned()),
            Just(r#""postback":{"data":"KEEP OUT"}"#.to_owned()),
            Just(r#""postback":{"data":"tsunagi:inquiry","params":{"date":"KEEP OUT"}}"#.to_owned()),
            Just(r#""replyToken":"KEEP OUT""#.to_owned()),
            Just(r#""follow":{"isUnblocked":true}"#.to_owned()),
            Just(r#""source":{"type":"user","userId":"U0123456789abcdef0123456789abcdef"}"#.to_owned()),
            Just(r#""source":{"type":"group","groupId":"C1","userId":"U0123456789abcdef0123456789abcdef"}"#.to_owned()),
            "[a-z]{1,9}".prop_map(|name| format!(r#""{name}":"KEEP OUT""#)),
        ]
    }

    pub(super) fn any_seen() -> impl Strategy<Value = Seen> {
        let sign = prop_oneof![Just(Sign::Follow), Just(Sign::Unfollow), Just(Sign::Contact)];
        // Few moments and few IDs, so that ties and repetitions are common.
        (sign, 0i64..6, 0u8..3).prop_map(|(sign, at, id)| Seen { event_id: format!("E{id}"), ..seen(sign, at) })
    }

    proptest! {
        #[test]
        fn a_bare_event_tells_the_same_and_holds_nothing_else(
            kind in prop_oneof![Just("follow"), Just("unfollow"), Just("message"), Just("postback"), Just("new")],
            parts in proptest::collection::vec(any_part(), 0..6),
        ) {
            let whole = event(&format!(r#"{{{},"type":"{kind}","timestamp":7}}"#, {
                let mut parts = parts;
                parts.retain(|part| !TOLD.iter().any(|name| part == &format!(r#""{name}":"KEEP OUT""#)));
                parts.insert(0, r#""mode":"active""#.to_owned());
                parts.join(",")
            }));
            let kept = bare(&whole);
            prop_assert!(!kept.contains("KEEP OUT"), "{}", kept);
            let read = event(&kept);
            prop_assert_eq!(sign_of(&read), sign_of(&whole));
            prop_assert_eq!(act_of(&read), act_of(&whole));
            prop_assert_eq!((read.timestamp, read.mode), (whole.timestamp, whole.mode));
        }

        #[test]
        fn any_order_and_repetition_ends_in_the_same_friendship(
            (events, shuffled) in proptest::collection::vec(any_seen(), 1..12).prop_flat_map(|events| {
                let doubled: Vec<Seen> = events.iter().chain(&events).cloned().collect();
                (Just(events), Just(doubled).prop_shuffle())
            })
        ) {
            prop_assert_eq!(after(&events), after(&shuffled));
        }

        #[test]
        fn the_state_is_told_by_the_latest_turn(events in proptest::collection::vec(any_seen(), 1..12)) {
            let friendship = after(&events);
            let latest = events.iter().filter(|e| e.sign != Sign::Contact).map(|e| e.at).max();
            prop_assert_eq!(friendship.since(), latest.unwrap_or(friendship.first_seen));
            prop_assert_eq!(friendship.first_seen, events.iter().map(|e| e.at).min().unwrap());
        }
    }
}
