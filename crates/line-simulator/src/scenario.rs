//! Scenarios: files that say who is there and what they do when, played into the simulator.
//!
//! The format stands in `docs/scenarios.md`. Reading is strict and pure: [`Scenario::read`] names every wrong line.

mod check;
mod deed;
mod expectation;
mod fault;
mod file;
mod moment;
mod play;
mod progress;
mod speed;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::clock::ClockTurn;
use crate::state::account::{AccountSettings, AccountSpec};
use crate::state::act::Act;
use crate::state::fault::Fault;
use crate::state::id::PersonId;
use crate::state::person::{ChatKind, PersonSpec};
use crate::state::trouble::Trouble;
use expectation::Expectation;

pub use fault::{FileFault, ScenarioError};
pub(crate) use play::{Plays, Wishes, begin};
pub use progress::{Cast, Failure, Progress, State};
pub use speed::{Speed, SpeedError};

/// Largest scenario file, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Most steps of a timeline, and most accounts, people and chats each.
pub const MAX_STEPS: usize = 10_000;

/// A scenario that was read and found sound.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Makes IDs, tokens and dice repeatable, where the simulator is started with the file.
    pub seed: Option<u64>,
    /// The simulated time at its beginning; the present when absent.
    pub start: Option<DateTime<Utc>>,
    /// Name of each provider by its key in the file.
    pub(crate) providers: BTreeMap<String, String>,
    /// Provider and make of each account.
    pub(crate) accounts: BTreeMap<String, (String, AccountSpec)>,
    pub(crate) people: BTreeMap<PersonId, PersonSpec>,
    pub(crate) chats: BTreeMap<String, CastChat>,
    /// In the order of their moments.
    pub(crate) steps: Vec<Step>,
}

/// A group or room of the cast.
#[derive(Clone, Debug)]
pub(crate) struct CastChat {
    pub(crate) kind: ChatKind,
    pub(crate) name: String,
    pub(crate) members: Vec<PersonId>,
    /// The account in it from the start, without an event.
    pub(crate) account: Option<String>,
}

/// One step of the timeline.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Where it stands in the file, from 1.
    pub(crate) line: u64,
    /// When, from the beginning, in simulated time.
    pub(crate) at: TimeDelta,
    /// What later steps call the message or the fault it makes.
    pub(crate) name: Option<String>,
    pub(crate) deed: Deed,
}

/// Who acts, where.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) person: PersonId,
    pub(crate) account: String,
    pub(crate) chat: Option<String>,
    pub(crate) standby: bool,
}

/// What happens in a step. Accounts, chats, messages and faults go by their names in the file.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// The person does something that needs nothing of earlier steps.
    Act(Actor, Act),
    Edit(Actor, String, String),
    Unsend(Actor, String),
    /// The person taps the newest button with this label, and opens its address when asked to.
    Tap {
        actor: Actor,
        label: String,
        open: bool,
    },
    /// The person deletes the LINE account.
    Leave(PersonId),
    Invite {
        chat: String,
        account: String,
    },
    Remove {
        chat: String,
    },
    Come {
        chat: String,
        people: Vec<PersonId>,
    },
    Go {
        chat: String,
        people: Vec<PersonId>,
    },
    Event {
        account: String,
        event: serde_json::Map<String, Value>,
    },
    Fault {
        account: Option<String>,
        fault: Fault,
    },
    EndFault(String),
    ClearFaults,
    Delivery {
        account: String,
        trouble: Trouble,
    },
    Settings {
        account: String,
        settings: AccountSettings,
    },
    Clock(ClockTurn),
    Expect(Expectation),
}

impl Scenario {
    /// Reads a scenario, YAML or JSON. Names every fault by its line.
    pub fn read(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_BYTES {
            return Err(ScenarioError::of(None, format!("a scenario has at most {MAX_BYTES} bytes")));
        }
        check::scenario(file::read(text)?)
    }

    /// How many steps its timeline has.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// How long its timeline is, in simulated time.
    pub fn length(&self) -> TimeDelta {
        self.steps.last().map_or_else(TimeDelta::zero, |last| last.at)
    }
}

#[cfg(test)]
mod tests;
