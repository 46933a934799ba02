//! Figures of what waits, so that nothing waits for ever unseen: the queue's oldest message, what is in hand for too long, what is
//! in doubt, messages whose time passed unsaid, contents that do not come, bars that stay wrong, digests that are not told, accounts
//! whose quota runs out, notices that do not arrive.

use std::sync::Arc;
use std::time::Duration;

use chassis::postgres::Database;
use chassis::{ClockTurn, Host};
use chrono::TimeDelta;
use kernel::{Clock, Timestamp};
use line_client::FailureKind;
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use messaging_outbox_core::quota::QuotaMonth;
use messaging_outbox_core::state::MessageState;
use sqlx::Row as _;
use tokio::time::Instant;
use uuid::Uuid;

use crate::notice;

/// How long counting rests at least.
const EVERY: Duration = Duration::from_secs(15);
/// Counting reads the whole queue, for an index on what changes with every message would cost each of them more than all the
/// counting does. So it rests the longer the longer it took: it never takes more than this share of the time.
const REST: u32 = 100;
/// A message in hand for longer than this is stuck: a call takes seconds, and a dead holder's lease a few more.
const STUCK_AFTER: f64 = 120.0;
/// A message that waits for its time for longer than this beyond it was forgotten: scheduler says it within a second.
const OVERDUE_AFTER: f64 = 300.0;
/// A staff account whose bars could not be switched so often in a row is behind for minutes.
const BARS_BEHIND_AFTER: i16 = 10;

/// Starts the counting under `host`.
pub(crate) fn spawn(host: &Host, database: &Database) {
    let (database, clock, turn, stopping) = (database.clone(), host.clock(), host.clock_turn(), host.stopping());
    // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
    let uncertain = MessageState::Uncertain.name();
    metrics::counter!("tsunagi_messaging_settled_total", "state" => uncertain).increment(0);
    let unauthorized = FailureKind::Unauthorized.to_string();
    metrics::counter!("tsunagi_messaging_line_failures_total", "kind" => unauthorized).increment(0);
    for channel in NoticeChannel::ALL {
        notice::count_settled(channel, DeliveryState::Failed, 0);
    }
    host.spawn("messaging.figures", async move {
        stopping.run_until_cancelled(keep_counting(&database, &clock, &turn)).await;
        Ok(())
    });
}

async fn keep_counting(database: &Database, clock: &Arc<dyn Clock>, turn: &ClockTurn) {
    loop {
        let began = Instant::now();
        let counted = async {
            note_queue(database).await?;
            note_bars(database).await?;
            note_contents(database).await?;
            let now = clock.now();
            note_oldest_waiting(database, now).await?;
            note_overdue(database, turn.ahead()).await?;
            note_staff(database).await?;
            note_quotas(database, QuotaMonth::of(now)).await?;
            note_notices(database).await
        };
        if let Err(error) = counted.await {
            tracing::warn!(error = %error, "the queue cannot be counted now");
        }
        tokio::time::sleep(rest(began.elapsed())).await;
    }
}

/// How long to rest after a counting that took so long.
fn rest(took: Duration) -> Duration {
    EVERY.max(took.saturating_mul(REST))
}

async fn note_queue(database: &Database) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE state = 0)::float8 AS waiting,
             count(*) FILTER (WHERE state = 1)::float8 AS in_hand,
             count(*) FILTER (WHERE in_doubt)::float8 AS in_doubt,
             count(*) FILTER (WHERE deferred AND due > now())::float8 AS deferred,
             count(*) FILTER (WHERE state = 1 AND first_time < now() - make_interval(secs => $1)
                 AND NOT in_doubt)::float8 AS stuck,
             coalesce(extract(epoch FROM now() - min(first_time)), 0)::float8 AS oldest
         FROM messaging.send",
    )
    .bind(STUCK_AFTER)
    .fetch_one(database.worker())
    .await?;
    for name in ["waiting", "in_hand", "in_doubt", "deferred", "stuck"] {
        metrics::gauge!("tsunagi_messaging_queue", "state" => name).set(row.try_get::<f64, _>(name)?);
    }
    metrics::gauge!("tsunagi_messaging_oldest_attempt_seconds").set(row.try_get::<f64, _>("oldest")?);
    let stuck: f64 = row.try_get("stuck")?;
    if stuck > 0.0 {
        tracing::error!(stuck, "messages are in hand for too long");
    }
    Ok(())
}

/// How many staff accounts' bars have been wrong for minutes.
async fn note_bars(database: &Database) -> Result<(), sqlx::Error> {
    let behind: f64 = sqlx::query_scalar(
        "SELECT count(*)::float8 FROM messaging.staff_bar_job
         WHERE attempts >= $1 OR due < now() - interval '5 minutes'",
    )
    .bind(BARS_BEHIND_AFTER)
    .fetch_one(database.worker())
    .await?;
    metrics::gauge!("tsunagi_messaging_bars_behind").set(behind);
    Ok(())
}

async fn note_contents(database: &Database) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*)::float8 AS jobs, coalesce(extract(epoch FROM now() - min(create_time)), 0)::float8 AS oldest
         FROM messaging.content_job",
    )
    .fetch_one(database.worker())
    .await?;
    metrics::gauge!("tsunagi_messaging_content_jobs").set(row.try_get::<f64, _>("jobs")?);
    metrics::gauge!("tsunagi_messaging_oldest_content_job_seconds").set(row.try_get::<f64, _>("oldest")?);
    Ok(())
}

/// How long the oldest message waits that nothing but its lane holds back: neither the quota nor a pause, its own or that of one
/// before it in the conversation. Its ID carries the time it was made at; of one that waited for its time before, its row does.
async fn note_oldest_waiting(database: &Database, now: Timestamp) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT min(s.message_id::text) FILTER (WHERE s.since IS NULL) AS oldest, min(s.since) AS since
         FROM messaging.send s
         WHERE s.state = 0 AND NOT s.in_doubt AND NOT EXISTS (
             SELECT FROM messaging.send d
             WHERE (d.tenant_id, d.account_id, d.conversation_id) = (s.tenant_id, s.account_id, s.conversation_id)
                 AND d.deferred AND d.due > now())",
    )
    .fetch_one(database.worker())
    .await?;
    let oldest: Option<String> = row.try_get("oldest")?;
    let made = oldest.and_then(|id| Uuid::try_parse(&id).ok()?.get_timestamp());
    let made = made.and_then(|made| Timestamp::from_timestamp(i64::try_from(made.to_unix().0).ok()?, 0));
    let since: Option<Timestamp> = row.try_get("since")?;
    let first = made.into_iter().chain(since).min();
    let waits = first.map_or(0.0, |first| now.signed_duration_since(first).as_seconds_f64().max(0.0));
    metrics::gauge!("tsunagi_messaging_oldest_waiting_seconds").set(waits);
    Ok(())
}

/// How many messages still wait for a time that has passed: nobody said that it had come.
async fn note_overdue(database: &Database, turned: TimeDelta) -> Result<(), sqlx::Error> {
    let overdue: f64 = sqlx::query_scalar(
        "SELECT count(*)::float8 FROM messaging.scheduled_send
         WHERE send_time < now() + make_interval(secs => $1) - make_interval(secs => $2)",
    )
    .bind(turned.as_seconds_f64())
    .bind(OVERDUE_AFTER)
    .fetch_one(database.worker())
    .await?;
    metrics::gauge!("tsunagi_messaging_scheduled_overdue").set(overdue);
    Ok(())
}

/// Since when staff wait for a digest whose slot has come, and how often it is still to be looked whose conversations are.
async fn note_staff(database: &Database) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT coalesce(extract(epoch FROM now() - (
                 SELECT min(create_time) FROM messaging.digest_slot WHERE due < 'infinity')), 0)::float8 AS oldest_digest,
             (SELECT count(*) FROM messaging.placing)::float8 AS placing",
    )
    .fetch_one(database.worker())
    .await?;
    metrics::gauge!("tsunagi_messaging_oldest_digest_seconds").set(row.try_get::<f64, _>("oldest_digest")?);
    metrics::gauge!("tsunagi_messaging_placing").set(row.try_get::<f64, _>("placing")?);
    Ok(())
}

/// How many accounts have used up their month's quota, and how many have less than a tenth left, as LINE last told.
async fn note_quotas(database: &Database, month: QuotaMonth) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE used >= monthly_limit)::float8 AS used_up,
             count(*) FILTER (WHERE used < monthly_limit AND used > monthly_limit * 0.9)::float8 AS nearly
         FROM messaging.quota WHERE month = $1 AND limited",
    )
    .bind(month.first_day())
    .fetch_one(database.worker())
    .await?;
    for name in ["used_up", "nearly"] {
        metrics::gauge!("tsunagi_messaging_quota_accounts", "state" => name).set(row.try_get::<f64, _>(name)?);
    }
    Ok(())
}

/// How many notices are on their way, channel by channel, and for how long the oldest has been.
async fn note_notices(database: &Database) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT count(*) FILTER (WHERE channel = 1)::float8 AS line, count(*) FILTER (WHERE channel = 2)::float8 AS email,
             count(*) FILTER (WHERE channel = 3)::float8 AS webhook,
             coalesce(extract(epoch FROM now() - min(create_time)), 0)::float8 AS oldest
         FROM messaging.notice_delivery WHERE state = 1",
    )
    .fetch_one(database.worker())
    .await?;
    for (channel, column) in NoticeChannel::ALL.into_iter().zip(["line", "email", "webhook"]) {
        metrics::gauge!("tsunagi_messaging_notices_pending", "channel" => channel.name())
            .set(row.try_get::<f64, _>(column)?);
    }
    metrics::gauge!("tsunagi_messaging_oldest_notice_seconds").set(row.try_get::<f64, _>("oldest")?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_a_deep_queue_never_takes_more_than_a_hundredth_of_the_time() {
        assert_eq!(rest(Duration::from_millis(3)), EVERY);
        for took in [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(30)] {
            assert!(took.as_secs_f64() / rest(took).as_secs_f64() <= 0.01);
        }
    }
}
