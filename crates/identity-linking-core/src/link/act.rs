//! What a LINE user does that leads to a link, ends one, or is answered.

use chrono::TimeDelta;
use kernel::{TakeoverRequestId, Timestamp};
use line_types::id::UserId;
use line_types::webhook::{Event, EventKind, LinkResult, Mode, Source};

use super::nonce::Nonce;

/// Events older than this never cause an automatic answer: whoever tapped has gone.
const ANSWERED_WITHIN: TimeDelta = TimeDelta::minutes(20);

/// What a LINE user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Confirmed in LINE's account-link dialog.
    Confirmed(UserId, Nonce),
    /// Somebody whom LINE does not name failed in LINE's account-link dialog.
    Failed(Nonce),
    /// Tapped one of our buttons.
    Tapped(UserId, Tap),
    /// Wrote a message.
    Wrote(UserId),
}

/// One of our buttons, by the `data` of its postback action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// 「お問い合わせ」 in the rich menu (F-11): `tsunagi:inquiry`.
    Inquiry,
    /// 「予約を確認する」 in the rich menu (F-14): `tsunagi:reservations`.
    Reservations,
    /// 「連携を解除する」: `tsunagi:unlink`.
    Unlink,
    /// 「解除する」, when asked again: `tsunagi:unlink:yes`.
    UnlinkYes,
    /// 「やめる」, when asked again: `tsunagi:unlink:no`.
    UnlinkNo,
    /// The answer of the LINE user linked until now to a take-over request: `tsunagi:takeover:{id}:yes` or `…:no`.
    Takeover(TakeoverRequestId, bool),
}

impl Act {
    /// Whether it begins, ends or decides something, more than what is said in the chat.
    pub fn settles(&self) -> bool {
        match self {
            Self::Confirmed(..) | Self::Failed(_) | Self::Tapped(_, Tap::UnlinkYes | Tap::Takeover(..)) => true,
            Self::Tapped(..) | Self::Wrote(_) => false,
        }
    }
}

impl Tap {
    /// What every `data` of ours begins with.
    pub const PREFIX: &'static str = "tsunagi:";

    /// The button with this `data`; none where it is none of ours.
    pub fn read(data: &str) -> Option<Self> {
        Some(match data.strip_prefix(Self::PREFIX)? {
            "inquiry" => Self::Inquiry,
            "reservations" => Self::Reservations,
            "unlink" => Self::Unlink,
            "unlink:yes" => Self::UnlinkYes,
            "unlink:no" => Self::UnlinkNo,
            other => {
                let (id, answer) = other.strip_prefix("takeover:")?.split_once(':')?;
                let yes = match answer {
                    "yes" => true,
                    "no" => false,
                    _ => return None,
                };
                Self::Takeover(id.parse().ok()?, yes)
            }
        })
    }

    /// The `data` of the button, at most 300 characters as LINE wants.
    pub fn data(self) -> String {
        let rest = match self {
            Self::Inquiry => "inquiry".to_owned(),
            Self::Reservations => "reservations".to_owned(),
            Self::Unlink => "unlink".to_owned(),
            Self::UnlinkYes => "unlink:yes".to_owned(),
            Self::UnlinkNo => "unlink:no".to_owned(),
            Self::Takeover(id, yes) => format!("takeover:{id}:{}", if yes { "yes" } else { "no" }),
        };
        format!("{}{rest}", Self::PREFIX)
    }
}

/// What an event tells that somebody did; none for groups and rooms (D-11), for chats that another module channel holds, and for
/// anything else. LINE's word about a link has no source where it failed, and holds in any mode.
pub fn act_of(event: &Event) -> Option<Act> {
    let user = match &event.source {
        Some(Source::User { user_id: Some(user) }) => Some(user.clone()),
        _ => None,
    };
    match (&event.kind, user) {
        (EventKind::AccountLink(link), Some(user)) if link.result == LinkResult::Ok => {
            Some(Act::Confirmed(user, Nonce::told(&link.nonce)))
        }
        (EventKind::AccountLink(link), _) => Some(Act::Failed(Nonce::told(&link.nonce))),
        (EventKind::Postback(postback), Some(user)) if event.mode == Mode::Active => {
            Tap::read(&postback.data).map(|tap| Act::Tapped(user, tap))
        }
        (EventKind::Message { .. }, Some(user)) if event.mode == Mode::Active => Some(Act::Wrote(user)),
        _ => None,
    }
}

/// Whether an event of `occur_time` is too old to be answered by itself.
pub fn is_too_old_to_answer(occur_time: Timestamp, now: Timestamp) -> bool {
    now - occur_time > ANSWERED_WITHIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const USER: &str = r#""source":{"type":"user","userId":"U0123456789abcdef0123456789abcdef"}"#;

    fn event(json: &str) -> Event {
        Event::parse(json).unwrap()
    }

    #[test]
    fn lines_word_about_a_link_counts_with_a_user_or_without() {
        let ok =
            event(&format!(r#"{{"type":"accountLink","timestamp":1,{USER},"link":{{"result":"ok","nonce":"n"}}}}"#));
        assert!(matches!(act_of(&ok), Some(Act::Confirmed(_, nonce)) if nonce == Nonce::told("n")));
        let failed = event(r#"{"type":"accountLink","timestamp":1,"link":{"result":"failed","nonce":"n"}}"#);
        assert_eq!(act_of(&failed), Some(Act::Failed(Nonce::told("n"))));
        // Without a user nobody is confirmed, whatever the result says.
        let nobody = event(r#"{"type":"accountLink","timestamp":1,"link":{"result":"ok","nonce":"n"}}"#);
        assert_eq!(act_of(&nobody), Some(Act::Failed(Nonce::told("n"))));
        let unknown =
            event(&format!(r#"{{"type":"accountLink","timestamp":1,{USER},"link":{{"result":"maybe","nonce":"n"}}}}"#));
        assert_eq!(act_of(&unknown), Some(Act::Failed(Nonce::told("n"))));
    }

    #[test]
    fn only_active_chats_of_one_user_are_answered() {
        let group = r#""source":{"type":"group","groupId":"C1","userId":"U0123456789abcdef0123456789abcdef"}"#;
        let tap = r#""postback":{"data":"tsunagi:inquiry"}"#;
        for (source, mode, acts) in [(USER, "active", true), (USER, "standby", false), (group, "active", false)] {
            let tapped = event(&format!(r#"{{"type":"postback","mode":"{mode}","timestamp":1,{source},{tap}}}"#));
            assert_eq!(act_of(&tapped).is_some(), acts, "{source} {mode}");
            let wrote = format!(
                r#"{{"type":"message","mode":"{mode}","timestamp":1,{source},"message":{{"id":"1","type":"text","text":"a"}}}}"#
            );
            assert_eq!(act_of(&event(&wrote)).is_some(), acts, "{source} {mode}");
        }
        let foreign = event(&format!(
            r#"{{"type":"postback","mode":"active","timestamp":1,{USER},"postback":{{"data":"shop=1"}}}}"#
        ));
        assert_eq!(act_of(&foreign), None);
    }

    #[test]
    fn what_is_older_than_twenty_minutes_is_not_answered() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
        assert!(!is_too_old_to_answer(now - TimeDelta::minutes(20), now));
        assert!(is_too_old_to_answer(now - TimeDelta::minutes(20) - TimeDelta::milliseconds(1), now));
        assert!(!is_too_old_to_answer(now + TimeDelta::minutes(1), now));
    }

    proptest! {
        #[test]
        fn every_button_is_read_again(id: u128, yes: bool, which in 0usize..6) {
            let takeover = Tap::Takeover(Uuid::from_u128(id).into(), yes);
            let tap = [Tap::Inquiry, Tap::Reservations, Tap::Unlink, Tap::UnlinkYes, Tap::UnlinkNo, takeover][which];
            prop_assert!(tap.data().len() <= 300);
            prop_assert_eq!(Tap::read(&tap.data()), Some(tap));
        }

        #[test]
        fn any_data_is_survived(data in "(tsunagi:)?\\PC{0,60}") {
            if let Some(tap) = Tap::read(&data) {
                prop_assert_eq!(Tap::read(&tap.data()), Some(tap));
            }
        }
    }
}
