//! How far a scenario is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::account::AccountCard;
use crate::state::id::{ChatId, PersonId};

/// What becomes of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being played.
    Playing,
    /// It is over, every step could be done and every expectation was met.
    Passed,
    /// It is over, and something failed.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// A step that could not be done, or an expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step's line in the file.
    pub line: u64,
    /// Its moment, from the beginning, in milliseconds of simulated time.
    pub at_ms: i64,
    /// What was wrong.
    pub reason: String,
}

/// What a scenario made, by the names of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cast {
    /// Accounts, with secret and token.
    pub accounts: BTreeMap<String, AccountCard>,
    /// People: the name in the file is the name in the control API.
    pub people: Vec<PersonId>,
    /// Groups and rooms.
    pub chats: BTreeMap<String, ChatId>,
}

/// A scenario being played, or played.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The simulator's name for it.
    pub scenario: String,
    /// What became of it.
    pub state: State,
    /// Steps of its timeline.
    pub steps: usize,
    /// Steps that are over.
    pub done: usize,
    /// What failed, in the order in which it did.
    pub failures: Vec<Failure>,
    /// What it made.
    pub cast: Cast,
}
