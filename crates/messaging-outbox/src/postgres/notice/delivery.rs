//! Where notices stand on their channels.

use chassis::postgres::TenantTx;
use kernel::{AccountId, MessageId, StaffId, Timestamp};
use messaging_outbox_core::notice::attempt::Reason;
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use sqlx::Row as _;
use uuid::Uuid;

/// A notice on a channel, when it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) notice: Uuid,
    pub(crate) channel: NoticeChannel,
    pub(crate) state: DeliveryState,
    pub(crate) expire: Timestamp,
    /// The message that carries it, on LINE.
    pub(crate) message: Option<MessageId>,
}

/// Keeps them.
pub(crate) async fn insert(tx: &mut TenantTx, begun: &[Begun]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.notice_delivery (tenant_id, notice_id, channel, state, expire_time, message_id, settle_time)
         SELECT $1, d.notice_id, d.channel, d.state, d.expire_time, d.message_id, CASE WHEN d.state <> $7 THEN now() END
         FROM unnest($2::uuid[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::uuid[])
             AS d (notice_id, channel, state, expire_time, message_id)",
    )
    .bind(tx.tenant().uuid())
    .bind(begun.iter().map(|one| one.notice).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.channel.code()).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.state.code()).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.expire).collect::<Vec<_>>())
    .bind(begun.iter().map(|one| one.message.map(MessageId::uuid)).collect::<Vec<_>>())
    .bind(DeliveryState::Pending.code())
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
