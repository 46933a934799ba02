//! This service's tables. One file for each thing kept; a function is one statement, or one step of a transaction that its
//! caller owns.

pub(crate) mod calendar;
pub(crate) mod message_schedule;
pub(crate) mod missed_timer;
mod row;
pub(crate) mod timer;

use chassis::postgres::TenantTx;
use kernel::Timestamp;

/// The moment the transaction began, by the database's clock.
pub(crate) async fn now(tx: &mut TenantTx) -> Result<Timestamp, sqlx::Error> {
    sqlx::query_scalar("SELECT now()").fetch_one(&mut **tx).await
}
