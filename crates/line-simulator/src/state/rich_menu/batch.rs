//! Replacing or unlinking a menu for all who have it.
//!
//! <https://developers.line.biz/en/reference/messaging-api/#batch-control-rich-menus-of-users>

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::linking::{BULK_TAKES, Change};
use super::{RichMenus, is_rich_menu_id, malformed};
use crate::state::refusal::{Detail, Refusal};

/// Most operations of one request.
const MOST_OPERATIONS: usize = 1_000;
/// So long the progress can be asked for, and a resume key stands for its request.
const RESUME_DAYS: TimeDelta = TimeDelta::days(14);

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Link { from: String, to: String },
    Unlink { from: String },
    UnlinkAll,
}

impl Operation {
    pub(super) fn is_for(&self, had: &str) -> bool {
        match self {
            Self::Link { from, .. } | Self::Unlink { from } => from == had,
            Self::UnlinkAll => true,
        }
    }

    pub(super) fn to(&self) -> Option<&str> {
        if let Self::Link { to, .. } = self { Some(to) } else { None }
    }

    fn from(&self) -> Option<&str> {
        match self {
            Self::Link { from, .. } | Self::Unlink { from } => Some(from),
            Self::UnlinkAll => None,
        }
    }

    /// Reads one operation of a request.
    fn read(value: &Value, at: usize) -> Result<Self, Refusal> {
        let property = |name: &str| format!("operations[{at}].{name}");
        let menu = |name: &str| match value.get(name).and_then(Value::as_str) {
            None => Err(Refusal::property(property(name), "May not be empty")),
            Some(id) if !is_rich_menu_id(id) => Err(malformed(property(name))),
            Some(id) => Ok(id.to_owned()),
        };
        match value.get("type").and_then(Value::as_str) {
            Some("link") => Ok(Self::Link { from: menu("from")?, to: menu("to")? }),
            Some("unlink") => Ok(Self::Unlink { from: menu("from")? }),
            Some("unlinkAll") => Ok(Self::UnlinkAll),
            _ => Err(Refusal::property(
                property("type"),
                "must be one of the following values: [link, unlink, unlinkAll]",
            )),
        }
    }
}

/// A request taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    accepted: DateTime<Utc>,
    done: DateTime<Utc>,
}

impl Batch {
    /// How far it is, in LINE's words; none when it can no longer be asked for.
    pub(crate) fn progress(self, now: DateTime<Utc>) -> Option<Value> {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        if now - self.accepted > RESUME_DAYS {
            return None;
        }
        Some(if now < self.done {
            json!({ "phase": "ongoing", "acceptedTime": time(self.accepted) })
        } else {
            json!({ "phase": "succeeded", "acceptedTime": time(self.accepted), "completedTime": time(self.done) })
        })
    }
}

impl RichMenus {
    /// Reads and judges the body of a request.
    pub(crate) fn judge_batch(&self, body: &Value) -> Result<(Vec<Operation>, Option<String>), Refusal> {
        let Some(Value::Array(entries)) = body.get("operations") else {
            return Err(Refusal::property("operations", "May not be empty"));
        };
        if entries.is_empty() || entries.len() > MOST_OPERATIONS {
            return Err(Refusal::property("operations", format!("Size must be between 1 and {MOST_OPERATIONS}")));
        }
        let key = match body.get("resumeRequestKey") {
            None | Some(Value::Null) => None,
            Some(Value::String(key)) if is_key(key) => Some(key.clone()),
            Some(_) => return Err(Refusal::InvalidProperty("resumeRequestKey".into())),
        };
        let operations =
            entries.iter().enumerate().map(|(at, entry)| Operation::read(entry, at)).collect::<Result<Vec<_>, _>>()?;
        if operations.contains(&Operation::UnlinkAll) && operations.len() > 1 {
            let message = "'unlinkAll' type can't be combined with other type";
            return Err(Refusal::property("operations[].type", message));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = operations.iter().filter_map(Operation::from).find(|from| !seen.insert(*from)) {
            return Err(Refusal::property("operations[].from", format!("from richmenu ({twice}) is duplicated")));
        }
        for (at, operation) in operations.iter().enumerate() {
            self.judge_menus(at, operation)?;
        }
        Ok((operations, key))
    }

    fn judge_menus(&self, at: usize, operation: &Operation) -> Result<(), Refusal> {
        for (name, id) in [("from", operation.from()), ("to", operation.to())] {
            let Some(id) = id else { continue };
            let property = format!("operations[{at}].{name}");
            let Some(menu) = self.menus.get(id) else {
                return Err(Refusal::Absent(Detail { property, message: format!("Richmenu ({id}) is not found") }));
            };
            if name == "to" && menu.image.is_none() {
                let message = format!("'to' richmenu ({id}) must have image but it doesn't");
                return Err(Refusal::property(property, message));
            }
        }
        Ok(())
    }

    /// Takes a request. One with the resume key of an earlier one, all of whose users are done here, changes nothing.
    pub(crate) fn take_batch(
        &mut self,
        now: DateTime<Utc>,
        request_id: String,
        operations: Vec<Operation>,
        key: Option<String>,
    ) {
        let done = now + BULK_TAKES;
        self.batches.insert(request_id, Batch { accepted: now, done });
        self.resumed.retain(|_, taken| now - *taken <= RESUME_DAYS);
        if key.is_some_and(|key| self.resumed.insert(key, now).is_some()) {
            return;
        }
        self.waiting.push((done, Change::Menus(operations)));
    }

    /// How far a request is.
    pub(crate) fn batch(&self, request_id: &str) -> Option<Batch> {
        self.batches.get(request_id).copied()
    }
}

fn is_key(key: &str) -> bool {
    (1..=100).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
