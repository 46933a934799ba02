//! Partitions of the archive: made ahead, made on demand, dropped when their time is over.

use std::time::Duration;

use chassis::postgres::Database;
use chrono::TimeDelta;
use kernel::{Clock, Timestamp};

/// How often partitions are looked after.
const EVERY: Duration = Duration::from_mins(10);
/// How far ahead they are made.
const AHEAD_DAYS: i64 = 2;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// Event IDs, by their own time, in days.
    pub(crate) seen_days: u16,
    /// Bodies, quarantined ones and findings, in days.
    pub(crate) body_days: u16,
}

/// Whether the database has no partition for a row.
pub(crate) fn is_missing(error: &sqlx::Error) -> bool {
    let Some(refusal) = error.as_database_error() else { return false };
    // PostgreSQL reports it as a check violation that names no constraint.
    refusal.code().as_deref() == Some("23514") && refusal.constraint().is_none()
}

/// Makes the partitions for events and bodies of these moments.
pub(crate) async fn ensure(
    database: &Database,
    events: Vec<Timestamp>,
    bodies: Vec<Timestamp>,
) -> Result<(), sqlx::Error> {
    for (parent, moments) in [("seen_event", &events), ("body", &bodies), ("quarantined_body", &bodies)] {
        if !moments.is_empty() {
            let ensuring = sqlx::query("SELECT ingest.ensure_partitions($1, $2)").bind(parent).bind(moments);
            ensuring.execute(database.worker()).await?;
        }
    }
    Ok(())
}

/// Looks after the partitions and old findings for ever. Replicas may do it at once.
pub(crate) async fn keep(database: Database, retention: Retention, clock: std::sync::Arc<dyn Clock>) {
    loop {
        let tended = tend(&database, retention, clock.now()).await;
        if let Err(error) = &tended {
            tracing::warn!(error = %error, "partitions could not be looked after");
        }
        tokio::time::sleep(if tended.is_ok() { EVERY } else { EVERY / 60 }).await;
    }
}

/// Makes what will be needed, and drops what nobody may need any more.
pub(crate) async fn tend(database: &Database, retention: Retention, now: Timestamp) -> Result<(), sqlx::Error> {
    let ahead: Vec<Timestamp> = (-1..=AHEAD_DAYS).map(|days| now + TimeDelta::days(days)).collect();
    ensure(database, ahead.clone(), ahead).await?;
    // One day more than the window: an ID at its edge is still recognised while clocks differ.
    let seen_before = now - TimeDelta::days(i64::from(retention.seen_days) + 1);
    let bodies_before = now - TimeDelta::days(i64::from(retention.body_days));
    for (parent, before) in [("seen_event", seen_before), ("body", bodies_before), ("quarantined_body", bodies_before)]
    {
        let drop_one = "SELECT ingest.drop_partition_before($1, $2)";
        while sqlx::query_scalar(drop_one).bind(parent).bind(before).fetch_one(database.worker()).await? {
            tracing::info!(table = parent, "a partition was dropped: its time is over");
        }
    }
    let forget = sqlx::query("DELETE FROM ingest.finding WHERE hour < $1").bind(bodies_before);
    forget.execute(database.worker()).await?;
    Ok(())
}
