//! The bodies that travel on the bus, and the two conversions everybody needs: time, and the subject's last token.

use kernel::Timestamp;
use prost::Name;

use crate::events::v1::{
    IdentityEvent, LineWebhookEvent, MessagingEvent, SchedulerEvent, identity_event, messaging_event, scheduler_event,
};

/// A protobuf message that travels on the bus.
pub trait EventBody: prost::Message + Name + Default {
    /// What happened, in snake case, as the last token of the subject; `unknown` where the body is empty.
    fn happened(&self) -> String;
}

impl EventBody for LineWebhookEvent {
    fn happened(&self) -> String {
        subject_token(&self.event_type)
    }
}

impl EventBody for IdentityEvent {
    fn happened(&self) -> String {
        use identity_event::Body;
        match &self.body {
            Some(Body::Tenant(_)) => "tenant",
            Some(Body::Principal(_)) => "principal",
            Some(Body::Organization(_)) => "organization",
            Some(Body::Staff(_)) => "staff",
            Some(Body::Account(_)) => "account",
            Some(Body::LineUser(_)) => "line_user",
            Some(Body::Friendship(_)) => "friendship",
            Some(Body::Customer(_)) => "customer",
            Some(Body::Activity(_)) => "activity",
            Some(Body::Link(_)) => "link",
            Some(Body::Inquiry(_)) => "inquiry",
            Some(Body::AnswerRequested(_)) => "answer_requested",
            Some(Body::StaffContact(_)) => "staff_contact",
            Some(Body::StaffNoticeRequested(_)) => "staff_notice_requested",
            Some(Body::StaffAccountShare(_)) => "staff_account_share",
            Some(Body::LinkPolicy(_)) => "link_policy",
            None => "unknown",
        }
        .to_owned()
    }
}

impl EventBody for MessagingEvent {
    fn happened(&self) -> String {
        use messaging_event::Body;
        match &self.body {
            Some(Body::ConversationChanged(_)) => "conversation_changed",
            Some(Body::MessageStatesChanged(_)) => "message_states_changed",
            Some(Body::ScheduledMessage(_)) => "scheduled_message",
            None => "unknown",
        }
        .to_owned()
    }
}

impl EventBody for SchedulerEvent {
    fn happened(&self) -> String {
        use scheduler_event::Body;
        match &self.body {
            Some(Body::TimersDue(_)) => "timers_due",
            Some(Body::TimersMissed(_)) => "timers_missed",
            Some(Body::MessagesDue(_)) => "messages_due",
            Some(Body::RemindersDue(_)) => "reminders_due",
            Some(Body::DigestDue(_)) => "digest_due",
            None => "unknown",
        }
        .to_owned()
    }
}

/// `text` as one token of a NATS subject: letters, digits, `_` and `-` as they are, anything else as `_`, at most 64
/// characters, `unknown` where nothing is left. LINE may send event types that do not exist yet.
#[must_use]
pub fn subject_token(text: &str) -> String {
    let token: String = text
        .chars()
        .take(64)
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .collect();
    if token.is_empty() { "unknown".to_owned() } else { token }
}

/// The first second of the year 1 and the last of 9999: what protobuf's `Timestamp` can say.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// A moment as protobuf writes it. One before the year 1 or after 9999, which no caller could read with all that stands beside it,
/// becomes the nearest that can be written.
#[must_use]
pub fn timestamp(moment: Timestamp) -> prost_types::Timestamp {
    let seconds = moment.timestamp().clamp(*SECONDS.start(), *SECONDS.end());
    if seconds != moment.timestamp() {
        return prost_types::Timestamp { seconds, nanos: 0 };
    }
    prost_types::Timestamp { seconds, nanos: i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or(999_999_999) }
}

/// The moment a protobuf timestamp names; none where it is out of range.
#[must_use]
pub fn to_timestamp(wire: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::from_timestamp(wire.seconds, u32::try_from(wire.nanos).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_token_is_never_empty_and_never_splits_or_matches_more() {
        assert_eq!(subject_token("message"), "message");
        assert_eq!(subject_token("new.type *>"), "new_type___");
        assert_eq!(subject_token(""), "unknown");
        assert_eq!(subject_token(&"x".repeat(100)).len(), 64);
    }

    #[test]
    fn a_moment_survives_the_wire_and_nonsense_does_not() {
        let moment = Timestamp::from_timestamp(1_700_000_000, 123_456_000).unwrap();
        assert_eq!(to_timestamp(&timestamp(moment)), Some(moment));
        assert_eq!(to_timestamp(&prost_types::Timestamp { seconds: 0, nanos: -1 }), None);
        assert_eq!(to_timestamp(&prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }

    #[test]
    fn a_moment_nobody_could_read_becomes_the_nearest_that_can_be_written() {
        for (moment, year) in
            [(Timestamp::MAX_UTC, "9999-12-31T23:59:59Z"), (Timestamp::MIN_UTC, "0001-01-01T00:00:00Z")]
        {
            assert_eq!(timestamp(moment).to_string(), year);
        }
        let last = Timestamp::from_timestamp(253_402_300_799, 999_000_000).unwrap();
        assert_eq!(to_timestamp(&timestamp(last)), Some(last));
    }
}
