//! The database's clock: due times go by it, whatever the clocks of the machines show.
//!
//! In development builds a process may live by a turned clock ([`chassis`]); the database's is read as turned by as much then.

use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use kernel::{Clock, SystemClock, Timestamp};

/// What the database's clock shows now.
pub(crate) async fn now(tx: &mut TenantTx, clock: &dyn Clock) -> Result<Timestamp, sqlx::Error> {
    let shown: Timestamp = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut **tx).await?;
    Ok(shown + turned(clock))
}

/// How far a process's clock is turned, and the database's with it; not at all outside of development builds.
pub(crate) fn turned(clock: &dyn Clock) -> TimeDelta {
    if cfg!(debug_assertions) { clock.now() - SystemClock.now() } else { TimeDelta::zero() }
}
