//! Lanes: who sends for an account. Times are the database's.

use std::time::Duration;

use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::account::AccountKey;

/// A lane this replica holds now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acquired {
    pub(crate) key: AccountKey,
    /// Rises with every holder; claims carry it.
    pub(crate) epoch: i64,
    /// The last holder's lease ran out: something of it may still be on its way.
    pub(crate) taken_over: bool,
}

/// The accounts behind `after` that have something to send now, `most` at most, in their order, each with whether nobody holds its
/// lane. Jumps from account to account through the queue's primary key, so it costs by accounts and not by messages.
pub(crate) async fn with_work(
    worker: &PgPool,
    after: Option<AccountKey>,
    most: i64,
) -> Result<Vec<(AccountKey, bool)>, sqlx::Error> {
    let rows = sqlx::query(
        "WITH RECURSIVE jump AS (
             (SELECT tenant_id, account_id FROM messaging.send
              WHERE (tenant_id, account_id) > ($2, $3)
              ORDER BY tenant_id, account_id LIMIT 1)
             UNION ALL
             SELECT n.tenant_id, n.account_id FROM jump j CROSS JOIN LATERAL (
                 SELECT s.tenant_id, s.account_id FROM messaging.send s
                 WHERE (s.tenant_id, s.account_id) > (j.tenant_id, j.account_id)
                 ORDER BY s.tenant_id, s.account_id LIMIT 1) n)
         SELECT j.tenant_id, j.account_id, NOT EXISTS (
             SELECT FROM messaging.lane l WHERE (l.tenant_id, l.account_id) = (j.tenant_id, j.account_id)
                 AND l.holder IS NOT NULL AND l.lease_until >= now()) AS free
         FROM jump j CROSS JOIN LATERAL (
             SELECT FROM messaging.send s
             WHERE s.tenant_id = j.tenant_id AND s.account_id = j.account_id AND s.state = 0
                 AND NOT (s.deferred AND s.due > now()) LIMIT 1) waiting
         LIMIT $1",
    )
    .bind(most)
    .bind(after.map_or(Uuid::nil(), |key| key.tenant.uuid()))
    .bind(after.map_or(Uuid::nil(), |key| key.account.uuid()))
    .fetch_all(worker)
    .await?;
    let mut found =
        rows.iter().map(|row| Ok((key(row)?, row.try_get("free")?))).collect::<Result<Vec<_>, sqlx::Error>>()?;
    // However they were read, they are in their order.
    found.sort_unstable_by_key(|(key, _)| *key);
    Ok(found)
}

/// The accounts whose holder's lease ran out, `most` at most, the longest ago first: it may have left rows in hand.
pub(crate) async fn abandoned(worker: &PgPool, most: i64) -> Result<Vec<AccountKey>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT tenant_id, account_id FROM messaging.lane WHERE holder IS NOT NULL AND lease_until < now()
         ORDER BY lease_until LIMIT $1",
    )
    .bind(most)
    .fetch_all(worker)
    .await?;
    rows.iter().map(key).collect()
}

/// Takes those of `lanes` that nobody holds, for `holder`.
pub(crate) async fn acquire(
    worker: &PgPool,
    holder: Uuid,
    lanes: &[AccountKey],
    lease: Duration,
) -> Result<Vec<Acquired>, sqlx::Error> {
    let (tenants, accounts) = split(lanes);
    let rows = sqlx::query(
        "WITH want AS (SELECT * FROM unnest($2::uuid[], $3::uuid[]) AS w (tenant_id, account_id)),
              free AS (
                  SELECT l.tenant_id, l.account_id, l.holder IS NOT NULL AS taken_over
                  FROM messaging.lane l JOIN want w USING (tenant_id, account_id)
                  WHERE l.holder IS NULL OR l.lease_until < now() FOR UPDATE OF l SKIP LOCKED),
              taken AS (
                  UPDATE messaging.lane l
                  SET holder = $1, epoch = l.epoch + 1, lease_until = now() + make_interval(secs => $4),
                      taken_over = f.taken_over
                  FROM free f WHERE (l.tenant_id, l.account_id) = (f.tenant_id, f.account_id)
                  RETURNING l.tenant_id, l.account_id, l.epoch, l.taken_over),
              made AS (
                  INSERT INTO messaging.lane (tenant_id, account_id, holder, epoch, lease_until, taken_over)
                  SELECT w.tenant_id, w.account_id, $1, 1, now() + make_interval(secs => $4), false FROM want w
                  ON CONFLICT DO NOTHING
                  RETURNING tenant_id, account_id, epoch, taken_over)
         SELECT * FROM taken UNION ALL SELECT * FROM made",
    )
    .bind(holder)
    .bind(&tenants)
    .bind(&accounts)
    .bind(lease.as_secs_f64())
    .fetch_all(worker)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Acquired { key: key(&row)?, epoch: row.try_get("epoch")?, taken_over: row.try_get("taken_over")? })
        })
        .collect()
}

/// Renews the leases of those of `lanes` that `holder` has not lost; returns them.
pub(crate) async fn renew(
    worker: &PgPool,
    holder: Uuid,
    lanes: &[(AccountKey, i64)],
    lease: Duration,
) -> Result<Vec<(AccountKey, i64)>, sqlx::Error> {
    let (tenants, accounts, epochs) = split_held(lanes);
    let rows = sqlx::query(
        "UPDATE messaging.lane l SET lease_until = now() + make_interval(secs => $5)
         FROM unnest($2::uuid[], $3::uuid[], $4::bigint[]) AS w (tenant_id, account_id, epoch)
         WHERE (l.tenant_id, l.account_id, l.epoch) = (w.tenant_id, w.account_id, w.epoch)
             AND l.holder = $1 AND l.lease_until > now()
         RETURNING l.tenant_id, l.account_id, l.epoch",
    )
    .bind(holder)
    .bind(&tenants)
    .bind(&accounts)
    .bind(&epochs)
    .bind(lease.as_secs_f64())
    .fetch_all(worker)
    .await?;
    rows.into_iter().map(|row| Ok((key(&row)?, row.try_get("epoch")?))).collect()
}

/// Gives lanes back. Nothing of them may be on its way.
pub(crate) async fn release(worker: &PgPool, lanes: &[(AccountKey, i64)]) -> Result<(), sqlx::Error> {
    let (tenants, accounts, epochs) = split_held(lanes);
    sqlx::query(
        "UPDATE messaging.lane l SET holder = NULL
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS w (tenant_id, account_id, epoch)
         WHERE (l.tenant_id, l.account_id, l.epoch) = (w.tenant_id, w.account_id, w.epoch)",
    )
    .bind(&tenants)
    .bind(&accounts)
    .bind(&epochs)
    .execute(worker)
    .await?;
    Ok(())
}

fn split(lanes: &[AccountKey]) -> (Vec<Uuid>, Vec<Uuid>) {
    lanes.iter().map(|lane| (lane.tenant.uuid(), lane.account.uuid())).unzip()
}

fn split_held(lanes: &[(AccountKey, i64)]) -> (Vec<Uuid>, Vec<Uuid>, Vec<i64>) {
    let keys: Vec<AccountKey> = lanes.iter().map(|(key, _)| *key).collect();
    let (tenants, accounts) = split(&keys);
    (tenants, accounts, lanes.iter().map(|(_, epoch)| *epoch).collect())
}

fn key(row: &sqlx::postgres::PgRow) -> Result<AccountKey, sqlx::Error> {
    let (tenant, account): (Uuid, Uuid) = (row.try_get("tenant_id")?, row.try_get("account_id")?);
    Ok(AccountKey { tenant: tenant.into(), account: account.into() })
}
