//! Reading request bodies the way LINE does: property by property, each mistake named.

use axum::body::Bytes;
use line_types::message;
use serde_json::{Map, Value};

use super::gate::Caller;
use crate::state::refusal::{Detail, Refusal};
use crate::state::sending::Send;

/// Longest aggregation unit name; a longer one is not assigned, and no error.
const LONGEST_UNIT: usize = 30;

/// A JSON object received.
#[derive(Debug)]
pub(crate) struct RequestBody(Map<String, Value>);

impl RequestBody {
    pub(crate) fn parse(bytes: &Bytes) -> Result<Self, Refusal> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Refusal::NotJson { line: 1, column: 1 }),
            Err(error) => Err(Refusal::NotJson { line: error.line(), column: error.column() }),
        }
    }

    /// The whole body, for rules that read it themselves.
    pub(crate) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// A required, non-empty text.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self.0.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(Value::String(_) | Value::Null) | None => Err(Refusal::property(name, "May not be empty")),
            Some(_) => Err(Refusal::InvalidProperty(name.to_owned())),
        }
    }

    /// An optional text.
    pub(crate) fn text_if_given(&self, name: &str) -> Result<Option<&str>, Refusal> {
        if self.0.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    /// An optional whole number.
    pub(crate) fn number_if_given(&self, name: &str) -> Result<Option<u64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| Refusal::InvalidProperty(name.to_owned())),
        }
    }

    /// A required list of texts of which there may be `most`.
    pub(crate) fn texts(&self, name: &str, most: usize) -> Result<Vec<String>, Refusal> {
        let Some(Value::Array(items)) = self.0.get(name) else {
            return Err(Refusal::property(name, "May not be empty"));
        };
        if items.is_empty() || items.len() > most {
            return Err(Refusal::property(name, format!("Size must be between 1 and {most}")));
        }
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| Refusal::InvalidProperty(name.to_owned())))
            .collect()
    }

    /// The messages, within LINE's limits.
    pub(crate) fn messages(&self) -> Result<Vec<Value>, Refusal> {
        let Some(Value::Array(messages)) = self.0.get("messages") else {
            return Err(Refusal::property("messages", "May not be empty"));
        };
        let violations = message::check(messages);
        if violations.is_empty() {
            return Ok(messages.clone());
        }
        let details = violations.into_iter().map(|v| Detail { property: v.property, message: v.message }).collect();
        Err(Refusal::Invalid(details))
    }

    /// A request to send, with what all sending methods share.
    pub(crate) fn send(&self, caller: Caller) -> Result<Send, Refusal> {
        if self.0.get("notificationDisabled").is_some_and(|v| !v.is_boolean() && !v.is_null()) {
            return Err(Refusal::InvalidProperty("notificationDisabled".into()));
        }
        Ok(Send {
            channel: caller.channel,
            request_id: caller.request_id,
            retry_key: caller.retry_key,
            messages: self.messages()?,
            unit: self.aggregation_unit()?,
        })
    }

    fn aggregation_unit(&self) -> Result<Option<String>, Refusal> {
        if self.0.get("customAggregationUnits").is_none_or(Value::is_null) {
            return Ok(None);
        }
        let names = self.texts("customAggregationUnits", 1)?;
        let word = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.is_empty();
        match names.into_iter().next() {
            Some(name) if !word(&name) => Err(Refusal::InvalidProperty("customAggregationUnits".into())),
            name => Ok(name.filter(|name| name.len() <= LONGEST_UNIT)),
        }
    }
}
