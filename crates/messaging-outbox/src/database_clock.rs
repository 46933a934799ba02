//! The database's clock: due times go by it, whatever the clocks of the machines show.

use chassis::ClockTurn;
use chassis::postgres::TenantTx;
use kernel::Timestamp;

/// What the database's clock shows now, turned as the process's own is.
pub(crate) async fn now(tx: &mut TenantTx, turn: &ClockTurn) -> Result<Timestamp, sqlx::Error> {
    let shown: Timestamp = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut **tx).await?;
    Ok(shown + turn.ahead())
}
