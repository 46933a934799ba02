//! Notices and what is to be done about them.

pub(crate) mod delivery;
pub(crate) mod job;
pub(crate) mod list;
pub(crate) mod rule;
pub(crate) mod webhook;

use chassis::postgres::TenantTx;
use kernel::Timestamp;
use messaging_outbox_core::notice::NoticeKind;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
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

/// How long notices are kept, in days.
const KEPT_DAYS: i32 = 30;
/// Rows removed in one statement.
const REMOVED_AT_ONCE: i64 = 2_000;

/// Removes notices that are no longer kept, with where they stood.
pub(crate) async fn remove_old(worker: &PgPool) -> Result<(), sqlx::Error> {
    loop {
        let removed: i64 = sqlx::query_scalar(
            "WITH old AS (
                 SELECT tenant_id, notice_id FROM messaging.notice
                 WHERE create_time < now() - make_interval(days => $1) LIMIT $2),
             deliveries AS (
                 DELETE FROM messaging.notice_delivery d USING old
                 WHERE (d.tenant_id, d.notice_id) = (old.tenant_id, old.notice_id)),
             notices AS (
                 DELETE FROM messaging.notice n USING old
                 WHERE (n.tenant_id, n.notice_id) = (old.tenant_id, old.notice_id))
             SELECT count(*) FROM old",
        )
        .bind(KEPT_DAYS)
        .bind(REMOVED_AT_ONCE)
        .fetch_one(worker)
        .await?;
        if removed < REMOVED_AT_ONCE {
            return Ok(());
        }
    }
}

/// A notice as it was raised, and when.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    pub(crate) notice: Notice,
    pub(crate) create_time: Timestamp,
}

/// Reads one of a statement that selects whole notices.
fn raised(row: &PgRow) -> Result<Raised, sqlx::Error> {
    let kind: i16 = row.try_get("kind")?;
    Ok(Raised {
        notice: Notice {
            id: row.try_get("notice_id")?,
            staff: row.try_get::<Uuid, _>("staff_id")?.into(),
            kind: NoticeKind::from_code(kind).ok_or_else(|| sqlx::Error::Decode("no kind of notice".into()))?,
            title: row.try_get("title")?,
            body: row.try_get("body")?,
            expire: row.try_get("expire_time")?,
        },
        create_time: row.try_get("create_time")?,
    })
}
