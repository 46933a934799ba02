//! The day that a statistic is asked of, written `yyyyMMdd`.

use std::collections::HashMap;

use chrono::NaiveDate;

use crate::state::refusal::Refusal;

/// Reads `date`; none where it is not given.
pub(crate) fn day(query: &HashMap<String, String>) -> Result<Option<String>, Refusal> {
    let is_day = |text: &String| text.len() == 8 && NaiveDate::parse_from_str(text, "%Y%m%d").is_ok();
    match query.get("date") {
        None => Ok(None),
        Some(text) if is_day(text) => Ok(Some(text.clone())),
        Some(_) => Err(invalid_day()),
    }
}

/// The answer to a `date` that is none, or not given where it must be.
pub(crate) fn invalid_day() -> Refusal {
    Refusal::Bad("The value for the 'date' parameter is invalid".into())
}
