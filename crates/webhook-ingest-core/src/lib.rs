#![doc = include_str!("../README.md")]

mod account;
mod event;
mod finding;
mod key;
mod occurrence;
mod signature;
mod verdict;
mod window;

pub use account::{Account, Accounts, KeyGrant, SecretGrant};
pub use event::{Event, MAX_EVENTS, Reading, Unreadable, body_time, read};
pub use finding::{Counted, Finding, FindingKind, Tally};
pub use key::{KeyError, KeyHash, WebhookKey};
pub use occurrence::occurred_at;
pub use signature::Presented;
pub use verdict::{Answer, Arrived, Keep, QuarantineReason, Refusal, SizeLimit, Verdict, account_of, admit, judge};
pub use window::Window;
