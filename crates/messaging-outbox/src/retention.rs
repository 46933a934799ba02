//! What is removed by and by: reply tokens that cannot be used, changes no cursor may ask for; digests, reminders, reservations and
//! notices of long ago.

use std::time::Duration;

use chassis::Host;
use chassis::postgres::Database;

use crate::postgres::notice;
use crate::watch::KEPT_HOURS;

const EVERY: Duration = Duration::from_mins(1);
/// Rows removed in one statement.
const BATCH: i64 = 5_000;
/// How long it is kept what staff were told at a digest, in days.
const DIGEST_DAYS: i32 = 90;
/// How long it is kept what became of a reminder, in days.
const REMINDER_DAYS: i32 = 180;
/// How long a reservation is remembered after it began and after it was heard of, in days: longer than any event comes again.
const RESERVATION_DAYS: i32 = 60;

/// Starts the removing under `host`.
pub(crate) fn spawn(host: &Host, database: &Database) {
    let (database, stopping) = (database.clone(), host.stopping());
    host.spawn("messaging.retention", async move {
        stopping.run_until_cancelled(keep_removing(&database)).await;
        Ok(())
    });
}

async fn keep_removing(database: &Database) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let old = [
            reply_tokens(database).await,
            changes(database).await,
            digests(database).await,
            reminders(database).await,
            reservations(database).await,
            notice::remove_old(database.worker()).await,
        ];
        for outcome in old {
            if let Err(error) = outcome {
                tracing::warn!(error = %error, "old rows stay for now");
            }
        }
    }
}

/// A token is kept a little beyond its time, for a reply with it may be in doubt.
async fn reply_tokens(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let removed = sqlx::query(
            "DELETE FROM messaging.reply_token t USING (
                 SELECT tenant_id, reply_token_id FROM messaging.reply_token
                 WHERE usable_until < now() - interval '5 minutes' LIMIT $1) old
             WHERE (t.tenant_id, t.reply_token_id) = (old.tenant_id, old.reply_token_id)",
        )
        .bind(BATCH)
        .execute(database.worker())
        .await?;
        if removed.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Nobody asks any more why somebody was not reminded so long ago; what was said stays in the conversation.
async fn reminders(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let removed = sqlx::query(
            "DELETE FROM messaging.reminder r USING (
                 SELECT tenant_id, reminder_id FROM messaging.reminder
                 WHERE reminder_time < now() - make_interval(days => $2)
                     AND start_time < now() - make_interval(days => $2) LIMIT $1) old
             WHERE (r.tenant_id, r.reminder_id) = (old.tenant_id, old.reminder_id)",
        )
        .bind(BATCH)
        .bind(REMINDER_DAYS)
        .execute(database.worker())
        .await?;
        if removed.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Nobody is reminded of a reservation that began long ago. One that is heard of at this moment stays, so the times stand beside the
/// key once more. One without a beginning is not over.
async fn reservations(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let removed = sqlx::query(
            "DELETE FROM messaging.activity_replica a USING (
                 SELECT tenant_id, activity_id FROM messaging.activity_replica
                 WHERE start_time < now() - make_interval(days => $2)
                     AND heard_at < now() - make_interval(days => $2) ORDER BY start_time LIMIT $1) old
             WHERE (a.tenant_id, a.activity_id) = (old.tenant_id, old.activity_id)
                 AND a.start_time < now() - make_interval(days => $2) AND a.heard_at < now() - make_interval(days => $2)",
        )
        .bind(BATCH)
        .bind(RESERVATION_DAYS)
        .execute(database.worker())
        .await?;
        if removed.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

async fn changes(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let removed = sqlx::query(
            "DELETE FROM messaging.conversation_change c USING (
                 SELECT tenant_id, changed, change_id FROM messaging.conversation_change
                 WHERE change_time < now() - make_interval(hours => $2) LIMIT $1) old
             WHERE (c.tenant_id, c.changed, c.change_id) = (old.tenant_id, old.changed, old.change_id)",
        )
        .bind(BATCH)
        // An hour longer than the oldest cursor may be.
        .bind(i32::try_from(KEPT_HOURS + 1).unwrap_or(i32::MAX))
        .execute(database.worker())
        .await?;
        if removed.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// What staff were told is kept as long as [`DIGEST_DAYS`] says, and so are its slots.
async fn digests(database: &Database) -> Result<(), sqlx::Error> {
    loop {
        let removed = sqlx::query(
            "WITH slot AS (
                 DELETE FROM messaging.digest_slot s USING (
                     SELECT tenant_id, digest_slot_id FROM messaging.digest_slot
                     WHERE slot_time < now() - make_interval(days => $2) LIMIT $1) old
                 WHERE (s.tenant_id, s.digest_slot_id) = (old.tenant_id, old.digest_slot_id))
             DELETE FROM messaging.digest d USING (
                 SELECT tenant_id, slot_time, staff_id FROM messaging.digest
                 WHERE slot_time < now() - make_interval(days => $2) LIMIT $1) old
             WHERE (d.tenant_id, d.slot_time, d.staff_id) = (old.tenant_id, old.slot_time, old.staff_id)",
        )
        .bind(BATCH)
        .bind(DIGEST_DAYS)
        .execute(database.worker())
        .await?;
        if removed.rows_affected() < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}
