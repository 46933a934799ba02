//! Reading what LINE may change: a property of another type than expected counts as absent, not as an error.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// An optional property: absent when it is missing, null or of another type.
pub(super) fn optional<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// A list property: entries of another shape are left out.
pub(super) fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let Value::Array(entries) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    Ok(entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect())
}

/// A property of nested objects, by its path; absent when any step is missing or of another type.
pub(super) fn under<T: DeserializeOwned>(object: &serde_json::Map<String, Value>, path: &[&str]) -> Option<T> {
    let (last, parents) = path.split_last()?;
    let mut at = object;
    for parent in parents {
        at = at.get(*parent)?.as_object()?;
    }
    T::deserialize(at.get(*last)?).ok()
}
