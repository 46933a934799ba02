//! Marks: rows of the table of publications that are no longer needed.

use std::sync::{Arc, Mutex, PoisonError};

use chassis::postgres::Database;
use kernel::TenantId;
use sqlx::PgExecutor;
use uuid::Uuid;

/// Rows taken along by one statement at most.
const LARGEST: usize = 1_024;

const DELETE: &str = "
DELETE FROM ingest.publication done
USING unnest($1::uuid[], $2::uuid[]) AS batch (tenant_id, batch_id)
WHERE done.tenant_id = batch.tenant_id AND done.batch_id = batch.batch_id";

/// Commits that are published, as the rows that stand for them.
pub(crate) type Done = Vec<(TenantId, Uuid)>;

/// What is published and still has its row. Under load the next commit's statement deletes the row along the way, which costs
/// no commit of its own. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks(Arc<Mutex<Done>>);

impl Marks {
    /// Takes some out, to be written now.
    pub(crate) fn take(&self) -> Done {
        let mut done = self.rows();
        let kept = done.len().saturating_sub(LARGEST);
        done.split_off(kept)
    }

    /// Adds rows whose events are all published, or gives back some that could not be written.
    pub(crate) fn add(&self, rows: Done) {
        if !rows.is_empty() {
            self.rows().extend(rows);
        }
    }

    /// Writes what no commit has taken along. What cannot be written now stays.
    pub(crate) async fn write(&self, database: &Database) {
        let rows = self.take();
        if rows.is_empty() {
            return;
        }
        chassis::failpoint::reached("ingest.before_mark");
        if let Err(error) = delete(database.worker(), &rows).await {
            tracing::debug!(error = %error, "published commits wait to be marked");
            self.add(rows);
        }
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Done> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes the rows.
pub(crate) async fn delete(worker: impl PgExecutor<'_>, rows: &Done) -> Result<(), sqlx::Error> {
    sqlx::query(DELETE)
        .bind(rows.iter().map(|(tenant, _)| tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(rows.iter().map(|(_, batch)| *batch).collect::<Vec<Uuid>>())
        .execute(worker)
        .await?;
    Ok(())
}
