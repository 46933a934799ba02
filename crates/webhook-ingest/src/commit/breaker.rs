//! Whether Postgres is worth trying.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chassis::postgres::Database;
use sqlx::Executor;
use tokio::sync::Notify;

use super::settle::connect;

/// How long one probe may take: connecting and committing, within what a batch is given.
const PROBE_TIMEOUT: Duration = Duration::from_millis(400);
/// The pause between probes while Postgres is away.
const PROBE_EVERY: Duration = Duration::from_millis(100);

const BEAT: &str = "
INSERT INTO ingest.heartbeat (beat_at) VALUES (clock_timestamp())
ON CONFLICT (tenant_id) DO UPDATE SET beat_at = excluded.beat_at";

/// Open while Postgres is away, so that only one prober waits for it and no request does. Shared by all flushers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker(Arc<State>);

#[derive(Debug, Default)]
struct State {
    away: AtomicBool,
    tripped: Notify,
}

impl Breaker {
    /// Whether Postgres was away when it was last tried.
    pub(crate) fn is_open(&self) -> bool {
        self.0.away.load(Ordering::Acquire)
    }

    /// Notes that Postgres did not store something in time.
    pub(crate) fn trip(&self) {
        if !self.0.away.swap(true, Ordering::AcqRel) {
            tracing::warn!("postgres does not answer: bodies are spilled");
            metrics::gauge!("tsunagi_ingest_postgres_away").set(1.0);
        }
        self.0.tripped.notify_one();
    }

    fn mend(&self) {
        self.0.away.store(false, Ordering::Release);
        tracing::info!("postgres answers again");
        metrics::gauge!("tsunagi_ingest_postgres_away").set(0.0);
    }
}

/// Tries Postgres while the breaker is open, and closes it when a commit takes no longer than requests can wait for one. Runs
/// for ever.
pub(crate) async fn probe(breaker: Breaker, database: Database) {
    loop {
        breaker.0.tripped.notified().await;
        while breaker.is_open() {
            // On a new connection, and a commit with its fsync: a standby, a full table of connections, a lost network and a
            // disk that stands still are all no better than a server that is gone.
            let lives = async { connect(&database).await?.execute(BEAT).await };
            match tokio::time::timeout(PROBE_TIMEOUT, lives).await {
                Ok(Ok(_)) => breaker.mend(),
                _ => tokio::time::sleep(PROBE_EVERY).await,
            }
        }
    }
}
