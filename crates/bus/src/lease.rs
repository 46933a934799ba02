//! A lease in the service's schema: one replica at a time does a thing, and a dead one is replaced within two seconds. The
//! database's clock decides. It saves work and is no lock: a paused holder may believe in it for a moment too long.

use std::time::Duration;

use chassis::postgres::Database;
use sqlx::AssertSqlSafe;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a lease lasts without being renewed.
const LASTS: Duration = Duration::from_millis(1400);
/// How often it is renewed, and asked for by the others: together well below two seconds.
const RENEWED_EVERY: Duration = Duration::from_millis(400);

/// A lease this replica holds from time to time.
#[derive(Debug)]
pub(crate) struct Lease {
    database: Database,
    name: &'static str,
    holder: Uuid,
    held: watch::Sender<bool>,
}

impl Lease {
    pub(crate) fn new(database: &Database, name: &'static str) -> Self {
        Self { database: database.clone(), name, holder: Uuid::new_v4(), held: watch::Sender::new(false) }
    }

    /// Whether this replica holds it, as far as it knows.
    pub(crate) fn held(&self) -> watch::Receiver<bool> {
        self.held.subscribe()
    }

    /// Asks for the lease and renews it until `stopping`, then gives it back.
    pub(crate) async fn keep(&self, stopping: &CancellationToken) {
        while !stopping.is_cancelled() {
            let asked = tokio::time::timeout(LASTS, self.ask()).await;
            let held = match asked {
                Ok(Ok(held)) => held,
                Ok(Err(error)) => {
                    tracing::debug!(lease = self.name, error = %error, "the lease cannot be asked for");
                    false
                }
                Err(_) => false,
            };
            self.held.send_if_modified(|was| std::mem::replace(was, held) != held);
            stopping.run_until_cancelled(tokio::time::sleep(RENEWED_EVERY)).await;
        }
        self.held.send_replace(false);
        if let Err(error) = self.give_back().await {
            tracing::debug!(lease = self.name, error = %error, "the lease was not given back and will expire");
        }
    }

    /// Not flushed to disk: a lease that a crash of the server forgets has expired by the time the server is back.
    async fn ask(&self) -> Result<bool, sqlx::Error> {
        let granted: Option<bool> = sqlx::query_scalar(AssertSqlSafe(format!(
            "INSERT INTO {schema}.lease AS l (name, holder, expires_at)
             SELECT $1, $2, now() + $3 * interval '1 ms' FROM set_config('synchronous_commit', 'off', true)
             ON CONFLICT (tenant_id, name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
             WHERE l.holder = excluded.holder OR l.expires_at < now()
             RETURNING true",
            schema = self.database.schema()
        )))
        .bind(self.name)
        .bind(self.holder)
        .bind(i64::try_from(LASTS.as_millis()).unwrap_or(i64::MAX))
        .fetch_optional(self.database.worker())
        .await?;
        Ok(granted.unwrap_or(false))
    }

    async fn give_back(&self) -> Result<(), sqlx::Error> {
        sqlx::query(AssertSqlSafe(format!(
            "UPDATE {schema}.lease SET expires_at = now() - interval '1 s' WHERE name = $1 AND holder = $2",
            schema = self.database.schema()
        )))
        .bind(self.name)
        .bind(self.holder)
        .execute(self.database.worker())
        .await?;
        Ok(())
    }
}
