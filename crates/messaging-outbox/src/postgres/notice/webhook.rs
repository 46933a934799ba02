//! The tenant's webhook.

use chassis::postgres::TenantTx;
use kernel::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

/// The webhook as it is kept: its secrets encrypted.
#[derive(Clone)]
pub(crate) struct Webhook {
    pub(crate) id: Uuid,
    pub(crate) url: String,
    pub(crate) secret: Vec<u8>,
    /// Signs beside the secret until then.
    pub(crate) former: Option<(Vec<u8>, Timestamp)>,
    pub(crate) create_time: Timestamp,
    pub(crate) rotate_time: Option<Timestamp>,
    /// It wants no more notices.
    pub(crate) stop_time: Option<Timestamp>,
}

/// Whether the tenant has a webhook that did not say that it wants no more.
pub(crate) async fn is_open(tx: &mut TenantTx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM messaging.notice_webhook WHERE tenant_id = $1 AND stop_time IS NULL)",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await
}

/// The tenant's webhook; none: it has none.
pub(crate) async fn read(tx: &mut TenantTx) -> Result<Option<Webhook>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM messaging.notice_webhook WHERE tenant_id = $1")
        .bind(tx.tenant().uuid())
        .fetch_optional(&mut **tx)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (former, until): (Option<Vec<u8>>, Option<Timestamp>) =
        (row.try_get("former_secret")?, row.try_get("former_until")?);
    Ok(Some(Webhook {
        id: row.try_get("webhook_id")?,
        url: row.try_get("url")?,
        secret: row.try_get("secret")?,
        former: former.zip(until),
        create_time: row.try_get("create_time")?,
        rotate_time: row.try_get("rotate_time")?,
        stop_time: row.try_get("stop_time")?,
    }))
}

/// Keeps the tenant's webhook in the place of the one before.
pub(crate) async fn put(tx: &mut TenantTx, webhook: &Webhook) -> Result<(), sqlx::Error> {
    let (former, until) = webhook.former.clone().unzip();
    sqlx::query(
        "INSERT INTO messaging.notice_webhook
             (tenant_id, webhook_id, url, secret, former_secret, former_until, create_time, rotate_time, stop_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (tenant_id) DO UPDATE
         SET webhook_id = excluded.webhook_id, url = excluded.url, secret = excluded.secret,
             former_secret = excluded.former_secret, former_until = excluded.former_until,
             create_time = excluded.create_time, rotate_time = excluded.rotate_time, stop_time = excluded.stop_time",
    )
    .bind(tx.tenant().uuid())
    .bind(webhook.id)
    .bind(&webhook.url)
    .bind(&webhook.secret)
    .bind(former)
    .bind(until)
    .bind(webhook.create_time)
    .bind(webhook.rotate_time)
    .bind(webhook.stop_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks the tenant's webhook, there or not, until the transaction ends: two changes at once must see each other.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('messaging.notice_webhook/' || $1::text, 0))")
        .bind(tx.tenant().uuid())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Removes the tenant's webhook; tells whether there was one.
pub(crate) async fn remove(tx: &mut TenantTx) -> Result<bool, sqlx::Error> {
    let removed = sqlx::query("DELETE FROM messaging.notice_webhook WHERE tenant_id = $1")
        .bind(tx.tenant().uuid())
        .execute(&mut **tx)
        .await?;
    Ok(removed.rows_affected() == 1)
}

/// Notes that the webhook wants no more notices, unless it was set anew meanwhile.
pub(crate) async fn stop(tx: &mut TenantTx, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.notice_webhook SET stop_time = now()
         WHERE tenant_id = $1 AND webhook_id = $2 AND stop_time IS NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
