//! Rows and the values in them.

use kernel::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};
use uuid::Uuid;

/// Something kept: its ID, its version, when it was created, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Stored<I, T> {
    /// The ID.
    pub(crate) id: I,
    /// Rises with every change, from 1.
    pub(crate) version: i64,
    /// When it was created.
    pub(crate) create_time: Timestamp,
    /// The value.
    pub(crate) value: T,
}

/// The place of a row in a list that is ordered by a moment and an ID.
pub(crate) type Position = (Timestamp, Uuid);

impl<I, T> Stored<I, T> {
    /// The same thing with another value, one version on.
    pub(crate) fn changed(self, value: T) -> Self {
        Self { version: self.version + 1, value, ..self }
    }
}

/// The value of a column.
pub(super) fn get<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    column: &str,
) -> Result<T, sqlx::Error> {
    row.try_get(column)
}

/// The value of a column of IDs.
pub(super) fn id<I: From<Uuid>>(row: &PgRow, column: &str) -> Result<I, sqlx::Error> {
    get::<Uuid>(row, column).map(I::from)
}

/// The value of a column of IDs that may be null.
pub(super) fn optional_id<I: From<Uuid>>(row: &PgRow, column: &str) -> Result<Option<I>, sqlx::Error> {
    Ok(get::<Option<Uuid>>(row, column)?.map(I::from))
}

/// What a column's text, empty for null, reads as. What was written was read before, so an error is a damaged row.
pub(super) fn read<T, E>(row: &PgRow, column: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, sqlx::Error>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let text: Option<&str> = get(row, column)?;
    parse(text.unwrap_or_default()).map_err(|error| damaged(column, error))
}

/// What a column's word names.
pub(super) fn word<T>(row: &PgRow, column: &str, named: fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
    let text: &str = get(row, column)?;
    named(text).ok_or_else(|| damaged(column, UnknownWord))
}

/// What a column's word names, which may be null.
pub(super) fn optional_word<T>(
    row: &PgRow,
    column: &str,
    named: fn(&str) -> Option<T>,
) -> Result<Option<T>, sqlx::Error> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| named(text).ok_or_else(|| damaged(column, UnknownWord))).transpose()
}

/// A column that holds what this version cannot read.
pub(super) fn damaged(column: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) }
}

/// A word that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("a word this version does not know")]
pub(super) struct UnknownWord;
