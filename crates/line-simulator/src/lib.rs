#![doc = include_str!("../README.md")]

mod api;
pub mod clock;
pub mod control;
mod delivery;
mod platform;
pub mod program;
pub mod recording;
pub mod scenario;
mod server;
mod simulator;
mod state;

pub use clock::Clock;
pub use control::{AssertionKey, BooksQuery, Control, ControlError};
pub use simulator::{Options, Simulator, StartError};
pub use state::account::{AccountCard, AccountSettings, AccountSpec, AccountState};
pub use state::act::{Act, ActRequest};
pub use state::books::{Attempt, Counts, Detail, Duplicate, Requested, Sent, Webhook};
pub use state::event::Done;
pub use state::fault::{Effect, Fault};
pub use state::friendship::Fate;
pub use state::group::ChatChange;
pub use state::id::{ChannelId, ChatId, PersonId, ProviderId, UserId};
pub use state::person::{ChatKind, ChatSpec, PersonSpec};
pub use state::rate::Limit;
pub use state::rich_menu::{RichMenuCard, RichMenuSource, ShownRichMenu};
pub use state::sending::Method;
pub use state::trouble::Trouble;
pub use state::writing::{Media, Writing};
