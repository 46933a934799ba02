//! This service's tables. One file for each thing kept; a function is one statement, or one step of a transaction that its
//! caller owns.

pub(crate) mod calendar;
pub(crate) mod digest;
pub(crate) mod digest_slot;
pub(crate) mod due_reminder;
pub(crate) mod message_schedule;
pub(crate) mod missed_timer;
pub(crate) mod reminder_rule;
pub(crate) mod replanning;
pub(crate) mod reservation;
mod row;
pub(crate) mod staff;
pub(crate) mod tenant;
pub(crate) mod timer;

use std::error::Error;

use chassis::postgres::TenantTx;
use kernel::Timestamp;

/// The present moment by the database's clock, read now: a transaction may have waited since it began.
pub(crate) async fn now(tx: &mut TenantTx) -> Result<Timestamp, sqlx::Error> {
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut **tx).await
}

/// A column that holds what this version cannot read.
fn damaged(column: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.into() }
}
