#![doc = include_str!("../README.md")]

mod account;
mod event;
mod finding;
pub mod forwarding;
mod hold;
mod key;
mod occurrence;
mod redaction;
mod release;
pub mod replay;
mod retention;
mod signature;
mod verdict;
mod window;

pub use account::{Account, Accounts, KeyGrant, SecretGrant};
pub use event::{EVENT_TYPE_FORM, Event, MAX_EVENTS, Reading, Unreadable, body_time, first_id, is_event_type, read};
pub use finding::{Counted, Finding, FindingKind, Tally};
pub use hold::{HELD_FOR, Room, is_over, is_worth_holding};
pub use key::{KeyError, KeyHash, WebhookKey};
pub use occurrence::occurred_at;
pub use redaction::{Cause, Redacted, Sought, message_span, near_after, redact};
pub use release::{Explanation, Obstacle, Release, explain, explain_release, release};
pub use retention::{LEAST_BODY_DAYS, MOST_BODY_DAYS, effective_days, kept_from, longest_days};
pub use signature::Presented;
pub use verdict::{Answer, Keep, QuarantineReason, Refusal, SizeLimit, Verdict, account_of, admit};
pub use window::{Standing, Window};
