//! Rows of timers, and the values in them.

use kernel::Timestamp;
use scheduler_core::timer::{LatePolicy, Timer};
use scheduler_core::{Key, LateFor, Owner};

/// A timer's columns but for the tenant: owner, key, generation, due, policy, late seconds, merge key.
pub(super) type Columns = (String, String, i64, Timestamp, i16, i32, Option<String>);

/// A row that holds what no version of this service wrote.
#[derive(Debug, thiserror::Error)]
#[error("a timer's row is damaged")]
struct Damaged;

/// The timer of a row.
pub(super) fn timer(columns: Columns) -> Result<Timer, sqlx::Error> {
    let (owner, key, generation, due, policy, late_seconds, merge_key) = columns;
    let late_for = LateFor::from_seconds(late_seconds);
    let merge_key = merge_key.map(|text| self::key(&text)).transpose()?;
    Ok(Timer {
        owner: Owner::named(&owner).ok_or_else(|| damaged("owner"))?,
        key: self::key(&key)?,
        generation,
        due,
        policy: LatePolicy::from_code(policy, late_for, merge_key),
    })
}

/// A key that was kept.
pub(super) fn key(text: &str) -> Result<Key, sqlx::Error> {
    Key::parse(text).map_err(|_| damaged("key"))
}

/// A column that cannot be read.
pub(super) fn damaged(column: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(Damaged) }
}

/// Timers as arrays of their columns, for statements about many at once.
#[derive(Default)]
pub(super) struct Arrays {
    pub(super) owners: Vec<String>,
    pub(super) keys: Vec<String>,
    pub(super) generations: Vec<i64>,
    pub(super) dues: Vec<Timestamp>,
    pub(super) policies: Vec<i16>,
    pub(super) late_seconds: Vec<i32>,
    pub(super) merge_keys: Vec<Option<String>>,
}

impl Arrays {
    /// The timers in the order of their keys, so that no two transactions lock each other out.
    pub(super) fn of(timers: &[Timer]) -> Self {
        let mut sorted: Vec<&Timer> = timers.iter().collect();
        sorted.sort_by_key(|timer| (&timer.owner, &timer.key));
        let mut arrays = Self::default();
        for timer in sorted {
            arrays.owners.push(timer.owner.as_str().to_owned());
            arrays.keys.push(timer.key.as_str().to_owned());
            arrays.generations.push(timer.generation);
            arrays.dues.push(timer.due);
            arrays.policies.push(timer.policy.code());
            arrays.late_seconds.push(timer.policy.late_for().unwrap_or(LateFor::HOUR).seconds());
            arrays.merge_keys.push(timer.policy.merges_into().map(|key| key.as_str().to_owned()));
        }
        arrays
    }
}
