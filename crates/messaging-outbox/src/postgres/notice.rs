//! Notices and where they stand.

pub(crate) mod delivery;
pub(crate) mod rule;
pub(crate) mod webhook;

use chassis::postgres::TenantTx;
use kernel::Timestamp;
use messaging_outbox_core::notice::channel::NoticeChannel;
use uuid::Uuid;

use crate::notice::Notice;

/// When the transaction began, by the database's clock.
pub(crate) async fn now(tx: &mut TenantTx) -> Result<Timestamp, sqlx::Error> {
    sqlx::query_scalar("SELECT now()").fetch_one(&mut **tx).await
}

/// Keeps notices that are not there yet; tells which were new. In one order, so that two transactions that raise the same ones do
/// not lock each other out.
pub(crate) async fn insert(tx: &mut TenantTx, notices: &[Notice]) -> Result<Vec<Uuid>, sqlx::Error> {
    let mut notices: Vec<&Notice> = notices.iter().collect();
    notices.sort_unstable_by_key(|notice| notice.id);
    sqlx::query_scalar(
        "INSERT INTO messaging.notice (tenant_id, notice_id, staff_id, kind, title, body, expire_time)
         SELECT $1, n.* FROM unnest($2::uuid[], $3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::timestamptz[]) AS n
         ON CONFLICT (tenant_id, notice_id) DO NOTHING
         RETURNING notice_id",
    )
    .bind(tx.tenant().uuid())
    .bind(notices.iter().map(|notice| notice.id).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.staff.uuid()).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.kind.code()).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.title.as_str()).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.body.as_str()).collect::<Vec<_>>())
    .bind(notices.iter().map(|notice| notice.expire).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await
}

/// Has notices sent by e-mail or webhook.
pub(crate) async fn expect(tx: &mut TenantTx, channel: NoticeChannel, notices: &[Uuid]) -> Result<(), sqlx::Error> {
    let query = match channel {
        NoticeChannel::Line => return Ok(()),
        NoticeChannel::Email => {
            "INSERT INTO messaging.notice_email_job (tenant_id, notice_id) SELECT $1, * FROM unnest($2::uuid[])
             ON CONFLICT DO NOTHING"
        }
        NoticeChannel::Webhook => {
            "INSERT INTO messaging.notice_webhook_job (tenant_id, notice_id) SELECT $1, * FROM unnest($2::uuid[])
             ON CONFLICT DO NOTHING"
        }
    };
    sqlx::query(query).bind(tx.tenant().uuid()).bind(notices).execute(&mut **tx).await?;
    Ok(())
}
