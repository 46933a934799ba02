//! What a database needs while a service runs: a word on readiness, figures, and old rows taken away.

use std::time::Duration;

use crate::host::{Gate, Host};
use crate::{idempotency, postgres::Database};

const EVERY: Duration = Duration::from_secs(1);
const CLEANED_EVERY: Duration = Duration::from_mins(10);

impl Database {
    /// Looks after the database under `host`: the readiness gate `postgres.{schema}` opens once both roles have reached it, pool
    /// figures are kept, and answers to old request IDs are removed after 7 days. Call it once a service.
    pub fn tend(&self, host: &Host) {
        let gate = host.readiness().gate(format!("postgres.{}", self.schema()));
        let (database, stopping) = (self.clone(), host.stopping());
        host.spawn(format!("{}.database", self.schema()), async move {
            stopping.run_until_cancelled(database.look_after(&gate)).await;
            Ok(())
        });
    }

    async fn look_after(&self, gate: &Gate) {
        let mut reached = false;
        let mut cleaned = None::<tokio::time::Instant>;
        loop {
            if !reached {
                reached = self.both_roles_reach().await;
                gate.set(reached);
            }
            self.note_figures();
            if reached && cleaned.is_none_or(|at| at.elapsed() > CLEANED_EVERY) {
                cleaned = Some(tokio::time::Instant::now());
                if let Err(error) = idempotency::forget_old(self).await {
                    tracing::warn!(error = %error, "old request IDs stay for now");
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn both_roles_reach(&self) -> bool {
        for (role, pool) in [("service", self.service()), ("worker", self.worker())] {
            if let Err(error) = sqlx::query("SELECT 1").execute(pool).await {
                tracing::warn!(schema = self.schema(), role, error = %error, "waiting for the database");
                return false;
            }
        }
        true
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of connections")]
    fn note_figures(&self) {
        for (role, pool) in [("service", self.service()), ("worker", self.worker())] {
            let labels = [("schema", self.schema()), ("role", role)];
            metrics::gauge!("tsunagi_database_connections", &labels).set(f64::from(pool.size()));
            metrics::gauge!("tsunagi_database_connections_idle", &labels).set(pool.num_idle() as f64);
        }
    }
}
