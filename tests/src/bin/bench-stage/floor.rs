//! The floor under timers: as many rows, due at one instant, deleted from the same Postgres by the plainest statement there is.
//! Nothing is said of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::ensure;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tokio::task::JoinSet;

/// Connections that delete at once, and rows a statement.
const CONNECTIONS: usize = 4;
const BATCH: i64 = 1_000;

const DELETE: &str = "DELETE FROM bench_due d
     USING (SELECT id FROM bench_due WHERE due <= now() ORDER BY due, id LIMIT $1 FOR UPDATE SKIP LOCKED) taken
     WHERE d.id = taken.id RETURNING d.id, d.key";

/// Fills a table of its own with `count` rows that are due and deletes them; gives the seconds the deleting took.
pub(crate) async fn measure(admin: &PgPool, count: u64) -> anyhow::Result<Value> {
    sqlx::raw_sql(
        "DROP TABLE IF EXISTS bench_due;
         CREATE TABLE bench_due (id bigint PRIMARY KEY, tenant_id uuid NOT NULL, key text NOT NULL, due timestamptz NOT NULL);
         CREATE INDEX ON bench_due (due, id)",
    )
    .execute(admin)
    .await?;
    sqlx::query(
        "INSERT INTO bench_due SELECT i, md5((i % 1000)::text)::uuid, 'booking/' || i, now() FROM generate_series(1, $1) i",
    )
    .bind(i64::try_from(count)?)
    .execute(admin)
    .await?;
    for statement in ["VACUUM ANALYZE bench_due", "CHECKPOINT"] {
        sqlx::raw_sql(statement).execute(admin).await?;
    }
    let deleted = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut deleting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (pool, deleted) = (admin.clone(), Arc::clone(&deleted));
        deleting.spawn(async move {
            let mut connection = pool.acquire().await?;
            while deleted.load(Ordering::Relaxed) < count {
                let rows = sqlx::query(DELETE).bind(BATCH).fetch_all(&mut *connection).await?;
                deleted.fetch_add(rows.len() as u64, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = deleting.join_next().await {
        ended??;
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(deleted.load(Ordering::Relaxed) == count, "the floor did not delete every row");
    sqlx::raw_sql("DROP TABLE bench_due").execute(admin).await?;
    Ok(json!({ "count": count, "seconds": seconds }))
}
