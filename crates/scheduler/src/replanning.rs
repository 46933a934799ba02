//! Reservations planned anew after rules or a zone changed: a batch a transaction, tenants in turn, until none is left. A process that
//! dies leaves a job behind with which another goes on.

use std::time::Duration;

use chassis::postgres::is_unavailable;
use chassis::{Host, failpoint};
use kernel::{ActivityId, TenantId, Timestamp};
use uuid::Uuid;

use crate::desk::Desk;
use crate::postgres::{replanning, reservation, tenant};
use crate::reminder;

/// How often jobs are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// Tenants that are found at once.
const TENANTS: usize = 256;
/// Reservations of a tenant that are planned in one transaction.
const BATCH: usize = 200;
/// How long a tenant waits after something about it went wrong.
const PUT_OFF: Duration = Duration::from_mins(1);
/// Before every job.
const BEGINNING: (Timestamp, Uuid) = (Timestamp::UNIX_EPOCH, Uuid::nil());

/// Plans under `host` until it stops.
pub(crate) fn spawn(host: &Host, desk: Desk) {
    // As for digests, told as zero from the start.
    metrics::counter!("tsunagi_scheduler_replanning_failures_total").increment(0);
    let stopping = host.stopping();
    host.spawn("scheduler.replanning", async move {
        let run = async {
            loop {
                match round(&desk).await {
                    // There may be more; the next round takes the tenants in turn again.
                    Ok(true) => {}
                    Ok(false) => tokio::time::sleep(EVERY).await,
                    Err(error) => {
                        tracing::warn!(error = %error, "reservations cannot be planned anew now");
                        tokio::time::sleep(EVERY).await;
                    }
                }
            }
        };
        stopping.run_until_cancelled(run).await;
        Ok(())
    });
}

/// Plans a batch of each tenant that has a job; whether any was planned.
async fn round(desk: &Desk) -> Result<bool, sqlx::Error> {
    let (mut after, mut planned) = (BEGINNING, false);
    loop {
        let due = replanning::due(&desk.database, after, i64::try_from(TENANTS).unwrap_or(i64::MAX)).await?;
        for (_, tenant) in &due {
            match batch(desk, *tenant).await {
                Ok(any) => planned |= any,
                Err(error) if is_unavailable(&error) => return Err(error),
                Err(error) => put_off(desk, *tenant, &error).await?,
            }
        }
        match due.last() {
            Some((at, tenant)) if due.len() >= TENANTS => after = (*at, tenant.uuid()),
            _ => return Ok(planned),
        }
    }
}

/// What is wrong with one tenant keeps no other waiting; it is tried again later.
async fn put_off(desk: &Desk, tenant: TenantId, error: &sqlx::Error) -> Result<(), sqlx::Error> {
    tracing::error!(%tenant, error = %error, "a tenant's reservations cannot be planned anew");
    metrics::counter!("tsunagi_scheduler_replanning_failures_total").increment(1);
    let mut tx = desk.database.tenant(tenant).await?;
    replanning::put_off(&mut tx, PUT_OFF).await?;
    tx.commit().await
}

/// Plans a tenant's next reservations; false where another does.
async fn batch(desk: &Desk, tenant: TenantId) -> Result<bool, sqlx::Error> {
    let mut tx = desk.database.tenant(tenant).await?;
    // The tenant before the job, as whoever changes its rules takes them.
    let Some(tenant) = tenant::share(&mut tx).await? else { return Err(sqlx::Error::RowNotFound) };
    let Some(after) = replanning::lock(&mut tx).await? else { return tx.rollback().await.map(|()| false) };
    let rules = reminder::rules(&mut tx).await?;
    let ahead = reservation::ahead(&mut tx, after, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
    let activities: Vec<Uuid> = ahead.iter().map(|(_, activity)| ActivityId::uuid(*activity)).collect();
    let reservations = reservation::lock(&mut tx, &activities).await?;
    let now = desk.now(&mut tx).await?;
    reminder::plan(&mut tx, &reservations, &rules, tenant.zone, now).await?;
    replanning::settle(&mut tx, ahead.last().copied().filter(|_| ahead.len() >= BATCH)).await?;
    failpoint::reached("scheduler.before_replanning");
    tx.commit().await?;
    failpoint::reached("scheduler.after_replanning");
    metrics::counter!("tsunagi_scheduler_reservations_replanned_total").increment(reservations.len() as u64);
    Ok(true)
}
