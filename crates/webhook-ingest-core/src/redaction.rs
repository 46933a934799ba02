//! Cutting events out of a body that is kept: for what its sender took back, and for a person who is to be forgotten.

mod person;

use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use kernel::Timestamp;
use line_types::id::{MessageId, UserId};
use line_types::webhook::{Envelope, EventFacts, EventSlice};
use serde_json::Value;
use ulid::Ulid;

use crate::event::time_of;
use person::Edit;

/// What stands in the place of an event that was cut out: the events behind it keep their places, and with them the IDs of those
/// that LINE gave none.
const CUT: &str = "null";

/// How a letter or a digit that is written by its number begins.
const ESCAPED: &str = r"\u00";

/// What is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A message that was taken back: as it was written, and every edit of it.
    Message(MessageId),
    /// A person: everything they sent or did until then, and where others named them.
    LineUser {
        /// Who.
        user: UserId,
        /// The last moment of what goes.
        until: Timestamp,
    },
}

/// What becomes of one event.
enum Change<'a> {
    /// It stays.
    Nothing,
    /// It goes.
    Whole,
    /// It stays without these parts, which stand in it one after the other.
    Parts(Vec<Edit<'a>>),
}

impl Sought {
    /// What of this event is to be erased. The unsend event itself stays: it says that there was something, and not what.
    fn change<'a>(&self, event: &EventSlice<'a>) -> Change<'a> {
        match (self, &event.facts) {
            // It cannot be told what it is; what names the sought one goes.
            (_, Err(_)) if names(event.raw.get(), self.name()) => Change::Whole,
            (_, Err(_)) => Change::Nothing,
            (Self::Message(message), Ok(facts)) => {
                let is_it = facts.event_type != "unsend" && facts.message_id.as_ref() == Some(message);
                if is_it { Change::Whole } else { Change::Nothing }
            }
            (Self::LineUser { user, until }, Ok(facts)) => {
                let is_named = names(event.raw.get(), user.as_str()) && time_of(facts) <= *until;
                if is_named { of_person(event.raw.get(), facts, user) } else { Change::Nothing }
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Message(message) => message.as_str(),
            Self::LineUser { user, .. } => user.as_str(),
        }
    }
}

/// What becomes of an event that names a person who is to be forgotten.
fn of_person<'a>(event: &'a str, facts: &EventFacts<'a>, user: &UserId) -> Change<'a> {
    let is_theirs = facts.source.as_ref().and_then(|source| source.user_id.as_ref()) == Some(user);
    // An ID that follows from what an event says would be another one afterwards.
    if is_theirs || facts.webhook_event_id.is_none() {
        return Change::Whole;
    }
    match person::without(event, user) {
        Some(mut edits) => {
            edits.sort_by_key(|(part, _)| part.as_ptr().addr());
            if names(&edited(event, &edits), user.as_str()) { Change::Whole } else { Change::Parts(edits) }
        }
        None => Change::Whole,
    }
}

/// Whether a JSON text names this, a word of letters and digits, however it is written.
fn names(json: &str, word: &str) -> bool {
    let unescaped = || serde_json::from_str::<Value>(json).is_ok_and(|value| value.to_string().contains(word));
    json.contains(word) || (json.contains(ESCAPED) && unescaped())
}

/// A text with parts of it replaced, which stand in it one after the other.
fn edited(text: &str, edits: &[Edit<'_>]) -> String {
    let (mut left, mut copied) = (String::with_capacity(text.len()), 0);
    for (part, instead) in edits {
        // Each part borrows from the text.
        let start = part.as_ptr().addr() - text.as_ptr().addr();
        left.push_str(&text[copied..start]);
        left.push_str(instead);
        copied = start + part.len();
    }
    left.push_str(&text[copied..]);
    left
}

/// A body after something was cut out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// What is left: the same bytes but for what is gone. Its signature fits no more.
    pub body: Bytes,
    /// The places of events that are gone.
    pub gone: Vec<u16>,
    /// The places of events that stay without the parts that named a person.
    pub mended: Vec<u16>,
}

impl Redacted {
    /// From how many events something was erased.
    #[must_use]
    pub fn erased(&self) -> usize {
        self.gone.len() + self.mended.len()
    }
}

/// The body without what is `sought`; none where it holds nothing of it. A body that is no webhook is erased whole where it names
/// the sought one.
#[must_use]
pub fn redact(body: &Bytes, sought: &Sought) -> Option<Redacted> {
    let name = sought.name();
    let text = std::str::from_utf8(body);
    // Most bodies hold nothing of it, and many are asked about many.
    if text.is_ok_and(|text| !text.contains(name) && !text.contains(ESCAPED)) {
        return None;
    }
    let (Ok(text), Ok(envelope)) = (text, Envelope::parse(body)) else {
        let named = body.windows(name.len()).any(|window| window == name.as_bytes());
        let nothing = || Redacted { body: Bytes::from_static(CUT.as_bytes()), gone: vec![0], mended: Vec::new() };
        return named.then(nothing);
    };
    let (mut edits, mut gone, mut mended) = (Vec::new(), Vec::new(), Vec::new());
    for (place, event) in (0..).zip(&envelope.events) {
        match sought.change(event) {
            Change::Nothing => {}
            Change::Whole => {
                gone.push(place);
                edits.push((event.raw.get(), CUT.to_owned()));
            }
            Change::Parts(parts) => {
                mended.push(place);
                edits.extend(parts);
            }
        }
    }
    (!edits.is_empty()).then(|| Redacted { body: edited(text, &edits).into(), gone, mended })
}

/// Between which event IDs the archive is looked through for a message that was taken back by an event of this ID. LINE lets a
/// message be taken back for a day at most; its clock for IDs may differ from server to server.
#[must_use]
pub fn message_span(unsend: Ulid) -> (Ulid, Ulid) {
    const BEFORE: u64 = 8 * 86_400_000;
    const AFTER: u64 = 86_400_000;
    let (at, latest) = (unsend.timestamp_ms(), (1 << Ulid::TIME_BITS) - 1);
    (Ulid::from_parts(at.saturating_sub(BEFORE), 0), Ulid::from_parts((at + AFTER).min(latest), u128::MAX))
}

/// Why something is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its sender took it back.
    Unsend,
    /// A person is to be forgotten.
    LineUser,
}

impl Cause {
    /// When the archive is looked through again, after so many looks (from 1) that met no trouble; none: no copy can come any more. A
    /// copy may come late: one under way at the first look, or one that LINE delivers again, for which the last look waits as long
    /// as an event is taken at all. A person's looks go through the whole archive and are few.
    #[must_use]
    pub fn next_look(self, looks: u16, asked: Timestamp, now: Timestamp, seen_days: u16) -> Option<TimeDelta> {
        const UNSEND: [TimeDelta; 6] = [
            TimeDelta::seconds(10),
            TimeDelta::minutes(1),
            TimeDelta::minutes(10),
            TimeDelta::hours(1),
            TimeDelta::hours(6),
            TimeDelta::days(1),
        ];
        const LINE_USER: [TimeDelta; 3] = [TimeDelta::minutes(10), TimeDelta::hours(6), TimeDelta::days(7)];
        let (first, then) = match self {
            Self::Unsend => (UNSEND.as_slice(), TimeDelta::days(7)),
            Self::LineUser => (LINE_USER.as_slice(), TimeDelta::days(30)),
        };
        let over = asked.checked_add_signed(TimeDelta::days(i64::from(seen_days) + 1)).is_none_or(|end| end <= now);
        let pause = first.get(usize::from(looks.saturating_sub(1))).copied().unwrap_or(then);
        (!over).then_some(pause)
    }
}

/// How long after a look the next one, which is due after `pause`, has come near: from then on it may be had together with another of the
/// same account that is due, so that one pass does for many.
#[must_use]
pub fn near_after(pause: Duration) -> Duration {
    pause / 2
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::event::read;

    const HANAKO: &str = "U4af4980629aaaaaaaaaaaaaaaaaaaaaa";
    const TARO: &str = "Ubbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn message(id: &str) -> Sought {
        Sought::Message(MessageId::parse(id).unwrap())
    }

    fn hanako() -> Sought {
        Sought::LineUser { user: UserId::parse(HANAKO).unwrap(), until: Timestamp::UNIX_EPOCH + TimeDelta::seconds(1) }
    }

    fn event(kind: &str, user: &str, id: &str, nth: usize) -> String {
        let about = match kind {
            "unsend" => format!(r#""unsend":{{"messageId":"{id}"}}"#),
            "follow" => r#""follow":{"isUnblocked":false}"#.to_owned(),
            _ => format!(r#""message":{{"id":"{id}","type":"text","text":"words of {id}: [{{,}}] 日本"}}"#),
        };
        format!(r#"{{ "type":"{kind}","timestamp":{nth},"source":{{"type":"user","userId":"{user}"}}, {about} }}"#)
    }

    fn body(events: &[String]) -> Bytes {
        Bytes::from(format!("{{\"destination\" : \"U\",\n \"events\":[ {} ] , \"more\":1}}", events.join(" ,\t")))
    }

    #[test]
    fn what_was_taken_back_goes_with_its_edits_and_copies_and_the_unsend_stays() {
        let events: Vec<String> =
            [("message", "1"), ("message", "2"), ("messageEdited", "1"), ("unsend", "1"), ("message", "1")]
                .iter()
                .enumerate()
                .map(|(nth, (kind, id))| event(kind, HANAKO, id, nth))
                .collect();
        let redacted = redact(&body(&events), &message("1")).unwrap();
        assert_eq!(redacted.erased(), 3);
        let left: Vec<(u16, String)> =
            read(&redacted.body).unwrap().events.into_iter().map(|event| (event.place, event.event_type)).collect();
        assert_eq!(left, [(1, "message".to_owned()), (3, "unsend".to_owned())]);
        assert_eq!(redact(&redacted.body, &message("1")), None);
    }

    #[test]
    fn what_cannot_be_read_goes_where_it_names_the_sought_one() {
        let garbage = Bytes::from_static(b"{\"events\": [ words of 4711");
        assert_eq!(redact(&garbage, &message("4711")).unwrap().body, "null");
        assert_eq!(redact(&garbage, &message("4712")), None);
        let faulty = body(&[r#"{"message":{"id":"4711"}}"#.to_owned(), r#"{"type":7}"#.to_owned()]);
        let redacted = redact(&faulty, &message("4711")).unwrap();
        assert!(redacted.erased() == 1 && !redacted.body.windows(4).any(|window| window == b"4711"));
    }

    #[test]
    fn the_looks_go_on_as_long_as_an_event_is_taken() {
        let asked = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for (cause, first, most) in
            [(Cause::Unsend, TimeDelta::seconds(10), 25), (Cause::LineUser, TimeDelta::minutes(10), 10)]
        {
            let (mut now, mut looks) = (asked, 1);
            assert_eq!(cause.next_look(looks, asked, now, 90), Some(first));
            while let Some(pause) = cause.next_look(looks, asked, now, 90) {
                assert!(pause > TimeDelta::zero() && looks < most);
                (now, looks) = (now + pause, looks + 1);
            }
            assert!(now >= asked + TimeDelta::days(91) && now <= asked + TimeDelta::days(130));
        }
    }

    fn any_event() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
        let kind =
            prop_oneof![Just("message"), Just("messageEdited"), Just("unsend"), Just("follow"), Just("postback")];
        (kind, prop_oneof![Just(HANAKO), Just(TARO)], prop_oneof![Just("11"), Just("12"), Just("13")])
    }

    proptest! {
        /// The others keep their bytes, places and IDs; of the sought ones nothing is left.
        #[test]
        fn the_others_stay_as_they_were(drawn in prop::collection::vec(any_event(), 0..8), by_user: bool) {
            let events: Vec<String> =
                drawn.iter().enumerate().map(|(nth, (kind, user, id))| event(kind, user, id, nth)).collect();
            let body = body(&events);
            let sought = if by_user { hanako() } else { message("11") };
            let is_sought = |nth: usize| {
                let (kind, user, id) = drawn[nth];
                if by_user { user == HANAKO } else { id == "11" && matches!(kind, "message" | "messageEdited") }
            };
            let before = read(&body).unwrap();
            let expected: Vec<_> =
                before.events.into_iter().filter(|event| !is_sought(usize::from(event.place))).collect();
            match redact(&body, &sought) {
                Some(redacted) => {
                    prop_assert_eq!(redacted.erased(), (0..drawn.len()).filter(|nth| is_sought(*nth)).count());
                    let after = read(&redacted.body).unwrap();
                    prop_assert_eq!(after.faulty, redacted.erased());
                    prop_assert_eq!(after.events, expected);
                    prop_assert_eq!(redact(&redacted.body, &sought), None);
                }
                None => prop_assert!((0..drawn.len()).all(|nth| !is_sought(nth))),
            }
        }

        #[test]
        fn nothing_breaks_it(bytes in prop::collection::vec(any::<u8>(), 0..300), id: u128) {
            let _ = redact(&Bytes::from(bytes), &message("1"));
            let (from, to) = message_span(Ulid(id));
            prop_assert!(from.timestamp_ms() <= Ulid(id).timestamp_ms() && Ulid(id).timestamp_ms() <= to.timestamp_ms());
        }
    }

    #[test]
    fn a_look_is_near_from_the_middle_of_its_pause_on() {
        assert_eq!(near_after(Duration::from_mins(10)), Duration::from_mins(5));
        assert_eq!(near_after(Duration::ZERO), Duration::ZERO);
    }
}
