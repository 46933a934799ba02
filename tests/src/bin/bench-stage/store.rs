//! The database as its administrator sees it.

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Row as _, ValueRef as _};

/// The answer of one statement: its rows, every value as the server writes it.
pub(crate) async fn ask(pool: &PgPool, sql: String) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(pool).await?;
    let value = |row: &sqlx::postgres::PgRow, place: usize| -> anyhow::Result<Option<String>> {
        let raw = row.try_get_raw(place)?;
        let text = if raw.is_null() { None } else { raw.as_str().ok().map(str::to_owned) };
        Ok(text)
    };
    rows.iter().map(|row| (0..row.len()).map(|place| value(row, place)).collect()).collect()
}
