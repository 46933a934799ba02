//! Writes held bodies down, and deletes those whose time is over.

use std::sync::Arc;
use std::time::Duration;

use chassis::postgres::Database;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use webhook_ingest_core::{FindingKind, HELD_FOR, is_over};

use super::waiting::{Held, HeldBody};
use super::{count, table};
use crate::findings::Findings;
use crate::vault::Vault;

/// How often bodies are written down, and old ones deleted.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps the table.
pub(crate) struct Keeper {
    pub(crate) held: Held,
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) findings: Findings,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Keeper {
    /// Writes down what is held until `stopping`, and once more then.
    pub(crate) async fn run(self, stopping: CancellationToken) {
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            self.write().await;
            match table::delete_before(&self.database, self.clock.now() - HELD_FOR).await {
                Ok(0) => {}
                Ok(deleted) => {
                    count("unproved", deleted);
                    tracing::info!(bodies = deleted, "held bodies were proved by nothing and are let go");
                }
                Err(error) => tracing::debug!(error = %error, "held bodies wait for the database"),
            }
        }
        self.write().await;
    }

    async fn write(&self) {
        let mut told = false;
        for mut bodies in self.held.take() {
            match self.write_account(&bodies).await {
                Ok(()) => {}
                Err(error) => {
                    if !told {
                        tracing::warn!(error = %error, "held bodies wait for the database");
                        told = true;
                    }
                    let (now, all) = (self.clock.now(), bodies.len());
                    bodies.retain(|body| !is_over(body.received_at, now));
                    count("unproved", (all - bodies.len()) as u64);
                    for body in bodies {
                        self.held.offer(body);
                    }
                }
            }
        }
    }

    /// Writes down as many of one account's bodies as there is room for.
    async fn write_account(&self, bodies: &[HeldBody]) -> Result<(), sqlx::Error> {
        let Some(HeldBody { tenant, account, .. }) = bodies.first() else { return Ok(()) };
        let mut tx = self.database.tenant(*tenant).await?;
        let mut room = table::room(&mut tx, *account).await?;
        let fitting: Vec<&HeldBody> = bodies.iter().filter(|body| room.take(body.payload.len())).collect();
        table::insert(&mut tx, &self.vault, *account, &fitting).await?;
        tx.commit().await?;
        count("kept", fitting.len() as u64);
        count("no_room", (bodies.len() - fitting.len()) as u64);
        for body in fitting {
            self.findings.count(*tenant, *account, FindingKind::SignatureHeld, body.received_at);
        }
        Ok(())
    }
}
