//! Partitions of the archive: made ahead, made on demand, dropped when their time is over.

use std::time::Duration;

use chassis::postgres::{Database, TenantTx};
use chrono::TimeDelta;
use kernel::{Clock, TenantId, Timestamp};
use webhook_ingest_core::{effective_days, kept_from, longest_days};

use crate::accounts::tenants;
use crate::{erasure, retention};

/// How often partitions are looked after.
const EVERY: Duration = Duration::from_mins(10);
/// How far ahead they are made.
const AHEAD_DAYS: i64 = 2;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    /// Event IDs, by their own time, in days.
    pub(crate) seen_days: u16,
    /// Bodies, quarantined ones and findings, in days, where a tenant says nothing else.
    pub(crate) body_days: u16,
}

/// Whether the database has no partition for a row.
pub(crate) fn is_missing(error: &sqlx::Error) -> bool {
    let Some(refusal) = error.as_database_error() else { return false };
    // PostgreSQL reports it as a check violation that names no constraint.
    refusal.code().as_deref() == Some("23514") && refusal.constraint().is_none()
}

/// Makes the partitions for events and bodies of these moments.
pub(crate) async fn ensure(
    database: &Database,
    events: Vec<Timestamp>,
    bodies: Vec<Timestamp>,
) -> Result<(), sqlx::Error> {
    for (parent, moments) in [("seen_event", &events), ("body", &bodies), ("quarantined_body", &bodies)] {
        if !moments.is_empty() {
            let ensuring = sqlx::query("SELECT ingest.ensure_partitions($1, $2)").bind(parent).bind(moments);
            ensuring.execute(database.worker()).await?;
        }
    }
    Ok(())
}

/// Looks after the archive for ever. Replicas may do it at once.
pub(crate) async fn keep(database: Database, kept: Kept, clock: std::sync::Arc<dyn Clock>) {
    loop {
        let tended = tend(&database, kept, clock.now()).await;
        tokio::time::sleep(if tended { EVERY } else { EVERY / 60 }).await;
    }
}

/// Makes what will be needed, and drops what nobody may need any more. What fails is told and keeps nothing else from being done; whether
/// nothing failed.
async fn tend(database: &Database, kept: Kept, now: Timestamp) -> bool {
    let ahead: Vec<Timestamp> = (-1..=AHEAD_DAYS).map(|days| now + TimeDelta::days(days)).collect();
    // One day more than the window: an ID at its edge is still recognised while clocks differ.
    let seen_before = now - TimeDelta::days(i64::from(kept.seen_days) + 1);
    let done = [
        ("partitions ahead", ensure(database, ahead.clone(), ahead).await),
        ("event IDs", drop_before(database, "seen_event", seen_before, now).await),
        ("bodies", drop_bodies(database, kept, now).await),
        ("erasures", erasure::forget_old(database).await),
        ("kept weeks", forget_weeks(database, now).await),
        ("findings", forget_findings(database, kept.body_days, now).await),
    ];
    let mut tended = true;
    for (what, outcome) in done {
        if let Err(error) = outcome {
            tended = false;
            tracing::warn!(what, error = %error, "the archive could not be looked after");
        }
    }
    tended
}

/// Drops bodies, quarantined ones too, whose time is over: whole partitions where nobody keeps them longer, and rows of the others.
async fn drop_bodies(database: &Database, kept: Kept, now: Timestamp) -> Result<(), sqlx::Error> {
    let said = retention::said(database).await?;
    let longest = kept_from(now, longest_days(said.iter().map(|(_, days)| *days), kept.body_days));
    let rows = delete_earlier(database, &said, (kept.body_days, longest), now).await;
    let bodies = drop_before(database, "body", longest, now).await;
    let quarantined = drop_before(database, "quarantined_body", longest, now).await;
    rows.and(bodies).and(quarantined)
}

/// Deletes the bodies of tenants that keep them for a shorter time than somebody else: those are in partitions that stay. Of quarantined
/// ones those of the others too, for their partitions are of weeks.
async fn delete_earlier(
    database: &Database,
    said: &[(TenantId, u16)],
    (platform_days, longest): (u16, Timestamp),
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let days = |tenant: &TenantId| said.iter().find(|(known, _)| known == tenant).map_or(0, |(_, days)| *days);
    let before = |tenant: &TenantId| kept_from(now, effective_days(days(tenant), platform_days));
    let everybody = if kept_from(now, platform_days) > longest { tenants(database).await? } else { Vec::new() };
    let mut concerned: Vec<TenantId> = said.iter().map(|(tenant, _)| *tenant).chain(everybody).collect();
    concerned.sort_unstable();
    concerned.dedup();
    concerned.retain(|tenant| before(tenant) > longest);
    let mut done = Ok(());
    for tenant in concerned {
        done = done.and(retention::delete_before(database, tenant, before(&tenant)).await);
    }
    for tenant in retention::with_quarantined_before(database, longest).await? {
        done = done.and(retention::delete_quarantined_before(database, tenant, before(&tenant)).await);
    }
    done
}

/// Forgets weeks that need not be kept any more.
async fn forget_weeks(database: &Database, now: Timestamp) -> Result<(), sqlx::Error> {
    let over = sqlx::query("DELETE FROM ingest.kept_week WHERE kept_until <= $1").bind(now);
    over.execute(database.worker()).await?;
    Ok(())
}

/// Forgets findings as old as no body is kept.
async fn forget_findings(database: &Database, platform_days: u16, now: Timestamp) -> Result<(), sqlx::Error> {
    let said = retention::said(database).await?;
    let before = kept_from(now, longest_days(said.iter().map(|(_, days)| *days), platform_days));
    let old = sqlx::query("DELETE FROM ingest.finding WHERE hour < $1").bind(before);
    old.execute(database.worker()).await?;
    Ok(())
}

/// Drops every partition that lies before a moment.
async fn drop_before(database: &Database, parent: &str, before: Timestamp, now: Timestamp) -> Result<(), sqlx::Error> {
    while drop_one(database, parent, before, now).await? {
        tracing::info!(table = parent, "a partition was dropped: its time is over");
    }
    Ok(())
}

/// Drops one partition that lies before a moment; tells whether there was one. Weeks of IDs that are kept stay.
async fn drop_one(database: &Database, parent: &str, before: Timestamp, now: Timestamp) -> Result<bool, sqlx::Error> {
    let mut tx = database.worker().begin().await?;
    // Whoever keeps a week holds this lock, shared, until it can be seen here.
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('ingest.partitions', 0))").execute(&mut *tx).await?;
    let kept = sqlx::query_scalar("SELECT DISTINCT week FROM ingest.kept_week WHERE kept_until > $1").bind(now);
    let kept: Vec<Timestamp> = if parent == "seen_event" { kept.fetch_all(&mut *tx).await? } else { Vec::new() };
    let drop = sqlx::query_scalar("SELECT ingest.drop_partition_before($1, $2, $3)").bind(parent).bind(before);
    let dropped = drop.bind(kept).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(dropped)
}

/// Until the end of the transaction no partition is made or dropped. To be called before anything else is locked.
pub(crate) async fn hold(tx: &mut TenantTx) -> Result<(), sqlx::Error> {
    let hold = sqlx::query("SELECT pg_advisory_xact_lock_shared(hashtextextended('ingest.partitions', 0))");
    hold.execute(&mut **tx).await?;
    Ok(())
}

/// Keeps the weeks of these moments of IDs, each until then, though they lie outside of the window. For transactions that [`hold`] them.
pub(crate) async fn keep_weeks(tx: &mut TenantTx, weeks: &[(Timestamp, Timestamp)]) -> Result<(), sqlx::Error> {
    let (moments, until): (Vec<Timestamp>, Vec<Timestamp>) = weeks.iter().copied().unzip();
    sqlx::query(
        "INSERT INTO ingest.kept_week AS known (tenant_id, week, kept_until)
         SELECT $1::uuid, ingest.partition_start('seen_event', moment), max(until)
         FROM unnest($2::timestamptz[], $3::timestamptz[]) AS asked (moment, until) GROUP BY 2
         ON CONFLICT (tenant_id, week) DO UPDATE SET kept_until = greatest(known.kept_until, excluded.kept_until)",
    )
    .bind(tx.tenant().uuid())
    .bind(moments)
    .bind(until)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
