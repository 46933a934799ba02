//! The names of a file and what they lead to.

use std::collections::{BTreeMap, BTreeSet};

use super::Faults;
use crate::scenario::file::ScenarioFile;
use crate::scenario::{Deed, Step};
use crate::state::act::Act;
use crate::state::id::PersonId;

const LONGEST: usize = 40;

/// Whether a text can be a name: a small letter, then small letters, digits, `_` and `-`.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// The names of the cast.
#[derive(Debug)]
pub(super) struct Names {
    accounts: BTreeSet<String>,
    people: BTreeSet<String>,
    chats: BTreeSet<String>,
}

impl Names {
    pub(super) fn of(file: &ScenarioFile, faults: &mut Faults) -> Self {
        let all = file.providers.keys().chain(file.accounts.keys()).chain(file.people.keys()).chain(file.chats.keys());
        for name in all.filter(|name| !is_name(name)) {
            faults.add(
                None,
                format!("`{name}` is no name: a small letter, then small letters, digits, _ and -, at most {LONGEST}"),
            );
        }
        for both in file.people.keys().filter(|name| file.chats.contains_key(*name)) {
            faults.add(None, format!("`{both}` is a person and a chat: an `expect` could not tell them apart"));
        }
        Self {
            accounts: file.accounts.keys().cloned().collect(),
            people: file.people.keys().cloned().collect(),
            chats: file.chats.keys().cloned().collect(),
        }
    }

    /// An account by its name; the only one where none is given.
    pub(super) fn account(&self, given: Option<&str>) -> Result<String, String> {
        match given {
            Some(name) if self.accounts.contains(name) => Ok(name.to_owned()),
            Some(name) => Err(format!("account: there is no account `{name}`")),
            None if self.accounts.len() == 1 => Ok(self.accounts.first().cloned().unwrap_or_default()),
            None => Err("account: which one? Only where there is one account it may be left out".to_owned()),
        }
    }

    pub(super) fn person(&self, key: &str, name: &str) -> Result<PersonId, String> {
        let known = self.people.contains(name);
        known.then(|| PersonId::from(name)).ok_or_else(|| format!("{key}: there is no person `{name}`"))
    }

    pub(super) fn chat(&self, key: &str, name: &str) -> Result<String, String> {
        let known = self.chats.contains(name);
        known.then(|| name.to_owned()).ok_or_else(|| format!("{key}: there is no chat `{name}`"))
    }

    pub(super) fn is_person(&self, name: &str) -> bool {
        self.people.contains(name)
    }
}

/// What a step's name stands for in later steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Message,
    Fault,
    Nothing,
}

/// Every message and fault a step speaks of was made by a step before it; no name stands twice.
pub(super) fn check_order(steps: &[Step], faults: &mut Faults) {
    let mut known: BTreeMap<&str, Named> = BTreeMap::new();
    for step in steps {
        let line = Some(step.line);
        let wanted = match &step.deed {
            Deed::Edit(_, message, _) | Deed::Unsend(_, message) => Some((message, Named::Message, "message")),
            Deed::EndFault(fault) => Some((fault, Named::Fault, "fault")),
            _ => None,
        };
        if let Some((name, kind, word)) = wanted
            && known.get(name.as_str()) != Some(&kind)
        {
            faults.add(line, format!("no step before this one makes a {word} of the name `{name}`"));
        }
        let Some(name) = &step.name else { continue };
        let makes = match &step.deed {
            Deed::Act(_, Act::Write(_)) => Named::Message,
            Deed::Fault { .. } => Named::Fault,
            _ => Named::Nothing,
        };
        if makes == Named::Nothing {
            faults.add(line, "name: this step makes neither a message nor a fault");
        } else if !is_name(name) {
            faults.add(line, format!("name: `{name}` is no name"));
        } else if known.insert(name, makes).is_some() {
            faults.add(line, format!("name: there is a step called `{name}` already"));
        }
    }
}
