//! Old rows go away in small batches, and the figures of the outbox are kept.

use std::time::Duration;

use chassis::postgres::Database;
use sqlx::AssertSqlSafe;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a row stays after its first publication, in days: as long as the streams keep their messages.
const KEPT_DAYS: i32 = 7;
const FIGURES_EVERY: Duration = Duration::from_secs(5);
const PURGED_EVERY: u32 = 12;
/// A count beyond this is told as this.
const COUNTED: i64 = 100_000;

/// Keeps the outbox of `database` small while this replica holds the relay's lease.
pub(super) async fn keep(
    database: Database,
    held: watch::Receiver<bool>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut round: u32 = 0;
    while stopping.run_until_cancelled(tokio::time::sleep(FIGURES_EVERY)).await.is_some() {
        if !*held.borrow() {
            // Who holds the lease tells; what this replica told before would stand for ever.
            tell(&database, 0, 0.0);
            continue;
        }
        let outcome = async {
            note_figures(&database).await?;
            while round.is_multiple_of(PURGED_EVERY) && purge(&database).await? && !stopping.is_cancelled() {}
            Ok::<(), sqlx::Error>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(schema = database.schema(), error = %error, "the outbox is not looked after for now");
        }
        round = round.wrapping_add(1);
    }
    Ok(())
}

/// Removes some rows whose time is over. Whether there may be more. Nothing is touched before what is to be published again
/// has been put back into the queue.
pub(super) async fn purge(database: &Database) -> Result<bool, sqlx::Error> {
    let purged = sqlx::query(AssertSqlSafe(format!(
        "WITH old AS (
            DELETE FROM {schema}.outbox_published WHERE (tenant_id, batch) IN (
                SELECT tenant_id, batch FROM {schema}.outbox_published
                WHERE published_at < now() - $1 * interval '1 day'
                    AND NOT EXISTS (SELECT FROM {schema}.stream_state WHERE refilled_at IS NULL)
                ORDER BY published_at LIMIT 100)
            RETURNING tenant_id, sequences
         )
         DELETE FROM {schema}.outbox o USING (SELECT tenant_id, unnest(sequences) AS sequence FROM old) gone
         WHERE o.tenant_id = gone.tenant_id AND o.sequence = gone.sequence",
        schema = database.schema()
    )))
    .bind(KEPT_DAYS)
    .execute(database.worker())
    .await?;
    Ok(purged.rows_affected() > 0)
}

async fn note_figures(database: &Database) -> Result<(), sqlx::Error> {
    let (waiting, oldest): (i64, f64) = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT count(*), coalesce(extract(epoch FROM now() - min(o.created_at)), 0)::float8
         FROM (SELECT tenant_id, sequence FROM {schema}.outbox_pending LIMIT $1) p
         JOIN {schema}.outbox o USING (tenant_id, sequence)",
        schema = database.schema()
    )))
    .bind(COUNTED)
    .fetch_one(database.worker())
    .await?;
    tell(database, waiting, oldest);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "at most 100,000")]
fn tell(database: &Database, waiting: i64, oldest: f64) {
    metrics::gauge!("tsunagi_outbox_waiting", "schema" => database.schema()).set(waiting as f64);
    metrics::gauge!("tsunagi_outbox_oldest_seconds", "schema" => database.schema()).set(oldest);
}
