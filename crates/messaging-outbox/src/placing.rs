//! Keeps whose conversations are as links, customers and accounts change (F-70 to F-72), a bounded number of them in a transaction.
//! Which organization that is, `messaging_outbox_core::visibility` decides.

use std::time::Duration;

use chassis::Host;
use chassis::failpoint;
use chassis::postgres::Database;
use kernel::TenantId;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::change;
use crate::postgres::placing::{self as rows, Step};
use crate::wake::{Wake, Wakes};

/// How often it is looked for when nobody calls.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts the keeping under `host`.
pub(crate) fn spawn(host: &Host, database: &Database, wakes: &Wakes) {
    let (database, wakes, stopping) = (database.clone(), wakes.clone(), host.stopping());
    host.spawn("messaging.placing", async move {
        let mut calls = wakes.subscribe();
        stopping
            .run_until_cancelled(async {
                loop {
                    if let Err(error) = place_all(&database, &wakes).await {
                        tracing::warn!(error = %error, "whose conversations are cannot be kept now");
                    }
                    let _ = tokio::time::timeout(LOOK_EVERY, called(&mut calls)).await;
                }
            })
            .await;
        Ok(())
    });
}

/// Returns when somebody calls, or when calls may have been missed.
async fn called(calls: &mut broadcast::Receiver<Wake>) {
    loop {
        match calls.recv().await {
            Ok(Wake::Placing) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Places until nothing is left to be looked at now; tenants take turns.
async fn place_all(database: &Database, wakes: &Wakes) -> Result<(), sqlx::Error> {
    loop {
        let mut any = false;
        for tenant in rows::tenants(database).await? {
            any |= place(database, wakes, tenant).await?;
        }
        if !any {
            return Ok(());
        }
    }
}

async fn place(database: &Database, wakes: &Wakes, tenant: TenantId) -> Result<bool, sqlx::Error> {
    let mut tx = database.tenant_planning_anew(tenant).await?;
    let Step { any, changed, left } = rows::step(&mut tx).await?;
    change::note(&mut tx, wakes, &changed).await?;
    change::note_left(&mut tx, wakes, &left).await?;
    if any {
        failpoint::reached("messaging.before_placing");
    }
    tx.commit().await?;
    Ok(any)
}
