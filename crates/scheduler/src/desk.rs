//! What every part of the service works with.

use chassis::ClockTurn;
use chassis::auth::Caller;
use chassis::postgres::{Database, TenantTx};
use kernel::Timestamp;

/// The database, and how far its clock is taken to be turned. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    /// The service's database.
    pub(crate) database: Database,
    /// What is added to its clock: nothing but in development.
    pub(crate) turn: ClockTurn,
}

impl Desk {
    /// Begins a transaction in the tenant of a call.
    pub(crate) async fn tenant_of(&self, caller: &Caller) -> Result<TenantTx, sqlx::Error> {
        self.database.tenant(caller.tenant()).await
    }

    /// The present moment by the database's clock, read now and not when the transaction began.
    pub(crate) async fn now(&self, tx: &mut TenantTx) -> Result<Timestamp, sqlx::Error> {
        sqlx::query_scalar("SELECT clock_timestamp() + $1").bind(self.turn.ahead()).fetch_one(&mut **tx).await
    }
}
