//! IDs of Tsunagi's own things: UUIDs (RFC 9562), version 7 when made anew, version 5 when derived from their cause.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

/// A text that should be an ID and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct IdError;

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new ID that sorts by `now` (UUIDv7), with 74 random bits.
            #[must_use]
            pub fn new(now: Timestamp) -> Self {
                let since_epoch = now.timestamp_millis().max(0).unsigned_abs();
                let seconds = since_epoch / 1000;
                let nanos = u32::try_from(since_epoch % 1000).unwrap_or(0) * 1_000_000;
                Self(Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)))
            }

            /// The ID that follows from `cause` and `purpose` (UUIDv5): the same pair always gives the same ID, so a
            /// repeated cause says the same words again.
            #[must_use]
            pub fn derived(cause: Uuid, purpose: &str) -> Self {
                Self(Uuid::new_v5(&cause, purpose.as_bytes()))
            }

            /// The ID as a UUID.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0.as_hyphenated())
            }
        }
    )+};
}

ids! {
    /// A company that uses the platform; everything else belongs to exactly one.
    TenantId,
    /// A branch of a tenant.
    OrganizationId,
    /// Somebody who works for a tenant.
    StaffId,
    /// An invitation of somebody of the staff to LINE.
    StaffInvitationId,
    /// A program that calls Tsunagi.
    PrincipalId,
    /// A LINE provider, as declared by the operator.
    ProviderId,
    /// A LINE Official Account with its Messaging API channel.
    AccountId,
    /// A LINE user, known under one provider; stands for the LINE user ID where that must not be shown (D-8).
    FriendId,
    /// A customer of a tenant.
    CustomerId,
    /// Something a customer did or will do.
    ActivityId,
    /// A reminder of a reservation.
    ReminderId,
    /// A link between a customer and a LINE user.
    LinkId,
    /// An attempt to link a LINE user to a customer.
    LinkAttemptId,
    /// A request to take a link over from another LINE user.
    TakeoverRequestId,
    /// What somebody wrote in the inquiry form.
    InquiryId,
    /// Two customers that may be one person.
    DuplicateSuspicionId,
    /// One customer absorbed another.
    MergeId,
    /// A stored webhook body.
    BodyId,
    /// A conversation between an official account and a LINE user, group or room.
    ConversationId,
    /// One message object in a conversation.
    MessageId,
    /// An event on the bus (`ce-id`) that Tsunagi made itself.
    EventId,
    /// What a caller chose to make a call idempotent.
    RequestId,
    /// A message a consumer gave up on.
    DeadLetterId,
    /// A tenant's rule for reminding customers of their reservations.
    ReminderRuleId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use proptest::prelude::*;

    #[test]
    fn a_new_id_carries_its_time_and_a_later_one_sorts_behind() {
        let now = chrono::Utc.timestamp_millis_opt(1_700_000_000_123).unwrap();
        let (first, second) = (MessageId::new(now), MessageId::new(now + chrono::TimeDelta::milliseconds(1)));
        assert_eq!(first.uuid().get_version_num(), 7);
        assert_eq!(first.uuid().get_timestamp().map(|t| t.to_unix()), Some((1_700_000_000, 123_000_000)));
        assert!(first < second);
    }

    proptest! {
        #[test]
        fn the_same_cause_and_purpose_give_the_same_id(cause: u128, purpose in ".{0,40}", other in ".{0,40}") {
            let cause = Uuid::from_u128(cause);
            prop_assert_eq!(EventId::derived(cause, &purpose), EventId::derived(cause, &purpose));
            prop_assert_eq!(purpose == other, EventId::derived(cause, &purpose) == EventId::derived(cause, &other));
        }

        #[test]
        fn text_and_back(id: u128) {
            let id = TenantId::from(Uuid::from_u128(id));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in ".{0,60}") {
            let _ = text.parse::<TenantId>();
        }
    }
}
