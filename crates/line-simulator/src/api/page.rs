//! Paging with a continuation token that dies after 24 hours.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::state::refusal::Refusal;

const TOKEN_LIFE_SECONDS: i64 = 24 * 3_600;

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    start: usize,
    limit: usize,
}

impl Page {
    /// Reads `limit` and `start`.
    pub(crate) fn of(
        query: &HashMap<String, String>,
        usual: usize,
        most: usize,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let bad = |name: &str| Refusal::Bad(format!("The value for the '{name}' parameter is invalid"));
        let limit = match query.get("limit") {
            None => usual,
            Some(text) => text.parse().ok().filter(|n| (1..=most).contains(n)).ok_or_else(|| bad("limit"))?,
        };
        let start = match query.get("start") {
            None => 0,
            Some(token) => read(token, now).ok_or_else(|| bad("start"))?,
        };
        Ok(Self { start, limit })
    }
}

/// The part asked for, and the token of the next one.
pub(crate) fn slice<T>(items: Vec<T>, page: &Page, now: DateTime<Utc>) -> (Vec<T>, Option<String>) {
    let end = page.start.saturating_add(page.limit);
    let next = (end < items.len()).then(|| URL_SAFE_NO_PAD.encode(format!("{end}.{}", now.timestamp())));
    (items.into_iter().skip(page.start).take(page.limit).collect(), next)
}

fn read(token: &str, now: DateTime<Utc>) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (start, issued) = text.split_once('.')?;
    let age = now.timestamp() - issued.parse::<i64>().ok()?;
    (0..TOKEN_LIFE_SECONDS).contains(&age).then_some(())?;
    start.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_up_and_tokens_die_after_a_day() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let items: Vec<u32> = (0..5).collect();
        let first = Page { start: 0, limit: 3 };
        let (head, next) = slice(items.clone(), &first, now);
        let token = next.unwrap();
        let query = HashMap::from([("start".to_owned(), token)]);
        let (tail, end) = slice(items, &Page::of(&query, 3, 10, now).unwrap(), now);
        assert_eq!([head, tail].concat(), [0, 1, 2, 3, 4]);
        assert!(end.is_none());
        assert!(Page::of(&query, 3, 10, now + chrono::TimeDelta::days(1)).is_err());
    }
}
