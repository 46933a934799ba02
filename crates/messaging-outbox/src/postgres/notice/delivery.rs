//! Where notices stand on their channels.

use chassis::postgres::TenantTx;
use kernel::{AccountId, MessageId, StaffId, TenantId, Timestamp};
use messaging_outbox_core::notice::attempt::Reason;
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

/// A notice on a channel, when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) notice: Uuid,
    pub(crate) channel: NoticeChannel,
    pub(crate) state: DeliveryState,
    /// Why it is over as soon as it began.
    pub(crate) reason: Option<Reason>,
    pub(crate) expire: Timestamp,
    /// The message that carries it, on LINE.
    pub(crate) message: Option<MessageId>,
}

/// Keeps them.
pub(crate) async fn insert(tx: &mut TenantTx, begun: &[Begun]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.notice_delivery (tenant_id, notice_id, channel, state, reason, expire_time, message_id, settle_time)
         SELECT $1, d.notice_id, d.channel, d.state, d.reason, d.expire_time, d.message_id,
             CASE WHEN d.state <> $7 THEN now() END
         FROM unnest($2::uuid[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::uuid[], $8::smallint[])
             AS d (notice_id, channel, state, expire_time, message_id, reason)",
    )
    .bind(tx.tenant().uuid())
    .bind(begun.iter().map(|one| one.notice).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.channel.code()).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.state.code()).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.expire).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.message.map(MessageId::uuid)).collect::<Vec<_>>())
    .bind(DeliveryState::Pending.code())
    .bind(begun.iter().map(|one| one.reason.map(Reason::code)).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Ends pending deliveries by the messages that carry them, and drops what those said: it stands in the notices. Tells how many
/// there were.
pub(crate) async fn settle_messages(
    tx: &mut TenantTx,
    messages: &[Uuid],
    state: DeliveryState,
    reason: Option<Reason>,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "WITH said AS (UPDATE messaging.message SET object = NULL WHERE tenant_id = $1 AND message_id = ANY ($2))
         UPDATE messaging.notice_delivery SET state = $3, reason = $4, settle_time = now()
         WHERE tenant_id = $1 AND message_id = ANY ($2) AND state = $5",
    )
    .bind(tx.tenant().uuid())
    .bind(messages)
    .bind(state.code())
    .bind(reason.map(Reason::code))
    .bind(DeliveryState::Pending.code())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Messages in the send queue that carry pending notices of a staff member, with their accounts.
pub(crate) async fn on_line(tx: &mut TenantTx, staff: StaffId) -> Result<Vec<(AccountId, MessageId)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT m.account_id, m.message_id
         FROM messaging.notice n
         CROSS JOIN LATERAL (
             SELECT message_id FROM messaging.notice_delivery
             WHERE tenant_id = $1 AND notice_id = n.notice_id AND channel = $3 AND state = $4 LIMIT 1) d
         CROSS JOIN LATERAL (
             SELECT account_id, message_id FROM messaging.message
             WHERE tenant_id = $1 AND message_id = d.message_id LIMIT 1) m
         WHERE n.tenant_id = $1 AND n.staff_id = $2 ORDER BY m.message_id",
    )
    .bind(tx.tenant().uuid())
    .bind(staff.uuid())
    .bind(NoticeChannel::Line.code())
    .bind(DeliveryState::Pending.code())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| {
            let (account, message): (Uuid, Uuid) = (row.try_get("account_id")?, row.try_get("message_id")?);
            Ok((account.into(), message.into()))
        })
        .collect()
}

/// A delivery whose time is over though nobody ended it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overdue {
    pub(crate) notice: Uuid,
    pub(crate) channel: NoticeChannel,
    /// On LINE, the message that carries it, and its account.
    pub(crate) message: Option<(AccountId, MessageId)>,
}

/// Tenants with deliveries that are pending though their time has been over for `slack` seconds, seen by the worker.
pub(crate) async fn tenants_overdue(worker: &PgPool, slack: f64, limit: i64) -> Result<Vec<TenantId>, sqlx::Error> {
    let tenants: Vec<Uuid> = sqlx::query_scalar(
        "SELECT DISTINCT tenant_id FROM messaging.notice_delivery
         WHERE state = 1 AND expire_time < now() - make_interval(secs => $1) LIMIT $2",
    )
    .bind(slack)
    .bind(limit)
    .fetch_all(worker)
    .await?;
    Ok(tenants.into_iter().map(TenantId::from).collect())
}

/// Those of the transaction's tenant, the longest over first; not what is in the hands of a lane, which ends it itself.
pub(crate) async fn overdue(tx: &mut TenantTx, slack: f64, limit: i64) -> Result<Vec<Overdue>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT d.notice_id, d.channel, d.message_id, m.account_id
         FROM messaging.notice_delivery d
         LEFT JOIN LATERAL (
             SELECT account_id, class FROM messaging.message
             WHERE tenant_id = $1 AND message_id = d.message_id LIMIT 1) m ON true
         WHERE d.tenant_id = $1 AND d.state = 1 AND d.expire_time < now() - make_interval(secs => $2) AND NOT EXISTS (
             SELECT FROM messaging.send s
             WHERE s.tenant_id = $1 AND s.account_id = m.account_id AND s.class = m.class AND s.message_id = d.message_id
                 AND (s.state = 1 OR s.in_doubt))
         ORDER BY d.expire_time LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(slack)
    .bind(limit)
    .fetch_all(&mut **tx)
    .await?;
    let mut overdue = Vec::with_capacity(rows.len());
    for row in &rows {
        let channel: i16 = row.try_get("channel")?;
        let (account, message): (Option<Uuid>, Option<Uuid>) = (row.try_get("account_id")?, row.try_get("message_id")?);
        let message = account.zip(message).map(|(account, message)| (account.into(), message.into()));
        let Some(channel) = NoticeChannel::from_code(channel) else { continue };
        overdue.push(Overdue { notice: row.try_get("notice_id")?, channel, message });
    }
    Ok(overdue)
}

/// Ends a pending delivery whose time is over, and its job; tells whether it was pending.
pub(crate) async fn expire(
    tx: &mut TenantTx,
    notice: Uuid,
    channel: NoticeChannel,
    reason: Reason,
) -> Result<bool, sqlx::Error> {
    let expired = sqlx::query(
        "WITH email AS (DELETE FROM messaging.notice_email_job WHERE tenant_id = $1 AND notice_id = $2 AND $3 = 2),
              webhook AS (DELETE FROM messaging.notice_webhook_job WHERE tenant_id = $1 AND notice_id = $2 AND $3 = 3)
         UPDATE messaging.notice_delivery SET state = $4, reason = $5, settle_time = now()
         WHERE tenant_id = $1 AND notice_id = $2 AND channel = $3 AND state = $6",
    )
    .bind(tx.tenant().uuid())
    .bind(notice)
    .bind(channel.code())
    .bind(DeliveryState::Expired.code())
    .bind(reason.code())
    .bind(DeliveryState::Pending.code())
    .execute(&mut **tx)
    .await?;
    Ok(expired.rows_affected() == 1)
}
