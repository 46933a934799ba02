//! Work that waits in a table: one row a job, due at a time, claimed for a while by a worker of any replica. Tenants take turns,
//! so that one with a million jobs keeps nobody else waiting, and a claim costs by tenants and not by jobs.
//!
//! The worker role sees the rows of every tenant, so they hold IDs, times and counts alone.

mod crew;

use std::time::Duration;

use kernel::{AccountId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgExecutor, Row as _};
use uuid::Uuid;

pub use crew::Crew;

/// Tenants that one claim looks at, at most.
const LOOKED_AT: i64 = 512;

/// A table of jobs. Its primary key is `tenant_id` and `subject`; it also has `account_id`, `create_time` and `claim` (a UUID,
/// null at first), and an index on `tenant_id` and `due` where `due < 'infinity'`. Who puts a job in that is there already sets
/// its `claim` to null, so that whoever has it in hand does not take the new one for his.
#[derive(Clone, Copy, Debug)]
pub struct WorkQueue {
    /// The table, with its schema: `messaging.content_job`.
    pub table: &'static str,
    /// The column that says what a job is about, a UUID.
    pub subject: &'static str,
    /// The column that says when a job may be claimed; of one in hand, when its claim runs out.
    pub due: &'static str,
    /// The column that counts claims.
    pub attempts: &'static str,
}

/// A claimed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it is about.
    pub subject: Uuid,
    /// The official account it needs.
    pub account: AccountId,
    /// Which attempt this is, from 1 to 30,000; it stays there.
    pub attempts: u16,
    /// Since the job was put into the queue.
    pub age: Duration,
    /// The claim by which it is held; no other was ever the same.
    pub claim: Uuid,
}

/// What is to be claimed.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The tenant whose turn it is; nil: the first one.
    pub from: Uuid,
    /// Jobs wanted, at most.
    pub room: usize,
    /// Jobs of one tenant that may be in hand at once.
    pub share: usize,
    /// How many are in hand, tenant by tenant.
    pub in_hand: &'a [(TenantId, usize)],
    /// How long the claim lasts.
    pub lease: Duration,
}

/// What a claim gave.
#[derive(Debug)]
pub struct Claimed {
    /// The jobs, in the order of their tenants' turns.
    pub jobs: Vec<Job>,
    /// The tenant whose turn is next; nil after the last one.
    pub next: Uuid,
}

impl WorkQueue {
    /// Claims due jobs of the tenants from `want.from` on, as many of each, the longest due first. A job whose worker dies is
    /// due again when the claim has run out.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim(&self, worker: impl PgExecutor<'_>, want: &Want<'_>) -> Result<Claimed, sqlx::Error> {
        let (tenants, in_hand): (Vec<Uuid>, Vec<i64>) =
            want.in_hand.iter().map(|(tenant, number)| (tenant.uuid(), count(*number))).unzip();
        let rows = sqlx::query(AssertSqlSafe(self.claim_text()))
            .bind(want.from)
            .bind(LOOKED_AT)
            .bind(tenants)
            .bind(in_hand)
            .bind(count(want.share))
            .bind(count(want.room))
            .bind(want.lease.as_secs_f64())
            .fetch_all(worker)
            .await?;
        let (mut jobs, mut served) = (Vec::new(), Vec::<Uuid>::new());
        for row in &rows {
            if let Some(tenant) = row.try_get::<Option<Uuid>, _>("tenant_id")? {
                if served.last() != Some(&tenant) {
                    served.push(tenant);
                }
                jobs.extend(job(row, tenant)?);
            }
        }
        let (mut looked_at, mut last) = (0, None);
        if let Some(row) = rows.first() {
            (looked_at, last) = (row.try_get::<i64, _>("looked_at")?, row.try_get::<Option<Uuid>, _>("last")?);
        }
        let last =
            if served.len() >= want.room { served.last().copied() } else { last.filter(|_| looked_at >= LOOKED_AT) };
        let next = last.map_or(Uuid::nil(), |last| Uuid::from_u128(last.as_u128().wrapping_add(1)));
        Ok(Claimed { jobs, next })
    }

    /// Tenants are found by jumping from one to the next in the index, and only the first due rows of each are read: each
    /// look is a subquery with a limit, and rows are changed by their place, so that no plan can read the whole table.
    fn claim_text(&self) -> String {
        let Self { table, subject, due, attempts } = self;
        format!(
            "WITH RECURSIVE tenant AS (
                 (SELECT tenant_id, 1 AS place FROM {table} WHERE tenant_id >= $1 AND {due} < 'infinity'
                  ORDER BY tenant_id LIMIT 1)
                 UNION ALL
                 SELECT (SELECT q.tenant_id FROM {table} q WHERE q.tenant_id > t.tenant_id AND q.{due} < 'infinity'
                         ORDER BY q.tenant_id LIMIT 1), t.place + 1
                 FROM tenant t WHERE t.tenant_id IS NOT NULL AND t.place < $2
             ), looked AS (
                 SELECT count(tenant_id) AS looked_at,
                     (array_agg(tenant_id ORDER BY place DESC) FILTER (WHERE tenant_id IS NOT NULL))[1] AS last
                 FROM tenant
             ), in_hand AS (
                 SELECT * FROM unnest($3::uuid[], $4::bigint[]) AS h (tenant_id, number)
             ), turn AS (
                 SELECT t.tenant_id, t.place, $5 - coalesce(h.number, 0) AS room
                 FROM tenant t LEFT JOIN in_hand h USING (tenant_id)
                 CROSS JOIN LATERAL (
                     SELECT q.{due} AS due FROM {table} q WHERE q.tenant_id = t.tenant_id AND q.{due} < 'infinity'
                     ORDER BY q.{due} LIMIT 1) first
                 WHERE coalesce(h.number, 0) < $5 AND first.due <= now()
                 ORDER BY t.place LIMIT $6
             ), due AS (
                 SELECT d.place FROM turn t CROSS JOIN LATERAL (
                     SELECT q.ctid AS place FROM {table} q
                     WHERE q.tenant_id = t.tenant_id AND q.{due} <= now() AND q.{due} < 'infinity'
                     ORDER BY q.{due} LIMIT least(t.room, greatest(1, $6 / (SELECT count(*) FROM turn)))
                     FOR UPDATE SKIP LOCKED) d
             ), claimed AS (
                 UPDATE {table} j
                 SET {due} = now() + make_interval(secs => $7), {attempts} = least(j.{attempts} + 1, 30000),
                     claim = gen_random_uuid()
                 WHERE j.ctid = ANY (ARRAY(SELECT place FROM due))
                 RETURNING j.tenant_id, j.{subject} AS subject, j.account_id, j.{attempts}::int4 AS attempts,
                     extract(epoch FROM now() - j.create_time)::float8 AS age, j.claim
             )
             SELECT l.looked_at, l.last, t.tenant_id, c.subject, c.account_id, c.attempts, c.age, c.claim
             FROM looked l LEFT JOIN turn t ON true LEFT JOIN claimed c USING (tenant_id) ORDER BY t.place"
        )
    }

    /// The job is due again after `wait`; without one, when somebody says so. Nothing happens when its claim has run out and
    /// somebody else has it now, or when it was put into the queue again meanwhile.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn postpone(
        &self,
        executor: impl PgExecutor<'_>,
        job: &Job,
        wait: Option<Duration>,
    ) -> Result<(), sqlx::Error> {
        let Self { table, subject, due, .. } = self;
        sqlx::query(AssertSqlSafe(format!(
            "UPDATE {table} SET {due} = coalesce(now() + $4::float8 * interval '1 second', 'infinity')
             WHERE tenant_id = $1 AND {subject} = $2 AND claim = $3"
        )))
        .bind(job.tenant.uuid())
        .bind(job.subject)
        .bind(job.claim)
        .bind(wait.map(|wait| wait.as_secs_f64()))
        .execute(executor)
        .await?;
        Ok(())
    }

    /// The job is done or given up. One that was put into the queue again meanwhile stays.
    ///
    /// # Errors
    /// When the database is away, or as a role that may not delete.
    pub async fn finish(&self, executor: impl PgExecutor<'_>, job: &Job) -> Result<(), sqlx::Error> {
        let Self { table, subject, .. } = self;
        sqlx::query(AssertSqlSafe(format!(
            "DELETE FROM {table} WHERE tenant_id = $1 AND {subject} = $2 AND claim = $3"
        )))
        .bind(job.tenant.uuid())
        .bind(job.subject)
        .bind(job.claim)
        .execute(executor)
        .await?;
        Ok(())
    }
}

/// The job of a row; none where a tenant's rows were all in somebody else's hand.
fn job(row: &PgRow, tenant: Uuid) -> Result<Option<Job>, sqlx::Error> {
    let Some(subject) = row.try_get::<Option<Uuid>, _>("subject")? else { return Ok(None) };
    let (attempts, age): (i32, f64) = (row.try_get("attempts")?, row.try_get("age")?);
    Ok(Some(Job {
        tenant: tenant.into(),
        subject,
        account: row.try_get::<Uuid, _>("account_id")?.into(),
        attempts: u16::try_from(attempts).unwrap_or(u16::MAX),
        age: Duration::try_from_secs_f64(age).unwrap_or_default(),
        claim: row.try_get("claim")?,
    }))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
