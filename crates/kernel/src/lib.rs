//! The few words every Tsunagi service shares: IDs, the clock, the event header, who of the staff sees what.
//!
//! A word enters when it is a word of the domain that services say to each other or to their callers; each kind of ID is one,
//! also where a single service makes it, so that no two kinds are taken for each other. Nothing here does I/O except
//! [`SystemClock`], which reads the machine's time.

mod clock;
mod event_header;
mod id;
mod sight;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use event_header::{EventHeader, TraceParent};
pub use id::{
    AccountId, ActivityId, BodyId, ConversationId, CustomerId, DeadLetterId, DuplicateSuspicionId, EventId, FriendId,
    IdError, InquiryId, LinkAttemptId, LinkId, MergeId, MessageId, OrganizationId, PrincipalId, ProviderId, ReminderId,
    ReminderRuleId, RequestId, StaffId, StaffInvitationId, TakeoverRequestId, TenantId,
};
pub use sight::Sight;
