//! What LINE told of a quota, and our own counts, by month (UTC+9).

use chassis::postgres::TenantTx;
use kernel::{AccountId, Timestamp};
use messaging_outbox_core::quota::QuotaMonth;
use sqlx::Row as _;

/// A month's figures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) limited: bool,
    pub(crate) limit: i64,
    pub(crate) used: i64,
    pub(crate) read_time: Option<Timestamp>,
    pub(crate) sent_by_push: i64,
    pub(crate) sent_by_reply: i64,
}

/// Reads a month's figures; zeros where nothing happened.
pub(crate) async fn read(tx: &mut TenantTx, account: AccountId, month: QuotaMonth) -> Result<Figures, sqlx::Error> {
    let row = sqlx::query(
        "SELECT limited, monthly_limit, used, read_time, sent_by_push, sent_by_reply FROM messaging.quota
         WHERE tenant_id = $1 AND account_id = $2 AND month = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(month.first_day())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(Figures::default()) };
    Ok(Figures {
        limited: row.try_get("limited")?,
        limit: row.try_get("monthly_limit")?,
        used: row.try_get("used")?,
        read_time: row.try_get("read_time")?,
        sent_by_push: row.try_get("sent_by_push")?,
        sent_by_reply: row.try_get("sent_by_reply")?,
    })
}

/// Keeps what LINE told at `read_time`.
pub(crate) async fn keep_reading(
    tx: &mut TenantTx,
    account: AccountId,
    month: QuotaMonth,
    limit: Option<u64>,
    used: u64,
    read_time: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.quota AS q (tenant_id, account_id, month, limited, monthly_limit, used, read_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (tenant_id, account_id, month) DO UPDATE
         SET limited = excluded.limited, monthly_limit = excluded.monthly_limit, used = excluded.used,
             read_time = excluded.read_time
         WHERE q.read_time IS NULL OR q.read_time < excluded.read_time",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(month.first_day())
    .bind(limit.is_some())
    .bind(i64::try_from(limit.unwrap_or(0)).unwrap_or(i64::MAX))
    .bind(i64::try_from(used).unwrap_or(i64::MAX))
    .bind(read_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Requests of an account that LINE accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) account: AccountId,
    pub(crate) pushes: i64,
    pub(crate) replies: i64,
}

/// Counts requests that LINE accepted: one push is one counted message, however many objects it holds (D-3). `sent` names each
/// account once, in the order of their IDs: two that count never wait for each other.
pub(crate) async fn count(tx: &mut TenantTx, month: QuotaMonth, sent: &[Sent]) -> Result<(), sqlx::Error> {
    if sent.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO messaging.quota AS q (tenant_id, account_id, month, sent_by_push, sent_by_reply)
         SELECT $1, account_id, $3, pushes, replies
         FROM unnest($2::uuid[], $4::bigint[], $5::bigint[]) WITH ORDINALITY AS s (account_id, pushes, replies, place)
         ORDER BY place
         ON CONFLICT (tenant_id, account_id, month) DO UPDATE
         SET sent_by_push = q.sent_by_push + excluded.sent_by_push, sent_by_reply = q.sent_by_reply + excluded.sent_by_reply",
    )
    .bind(tx.tenant().uuid())
    .bind(sent.iter().map(|one| one.account.uuid()).collect::<Vec<_>>())
    .bind(month.first_day())
    .bind(sent.iter().map(|one| one.pushes).collect::<Vec<_>>())
    .bind(sent.iter().map(|one| one.replies).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}
