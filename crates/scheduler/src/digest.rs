//! Digests: each slot of a tenant's schedule is said once, or recorded as missed, whatever number of replicas looks.
//!
//! Who looks has the schedule's row locked, and moves its last slot on in the transaction that says what was due. So a process that
//! dies says it not at all, and then another does, or it has said it.

use std::time::Duration;

use bus::outbox::{self, OutboxError, Outgoing};
use chassis::Host;
use chassis::failpoint;
use chassis::postgres::{TenantTx, is_unavailable};
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DigestDue, SchedulerEvent};
use contracts::timestamp;
use futures::StreamExt as _;
use kernel::{EventId, TenantId, Timestamp};
use scheduler_core::digest::DigestSettings;
use scheduler_core::slot::{self, Fate, Look, Slot};
use scheduler_core::wall_clock::TimeZone;
use uuid::Uuid;

use crate::desk::Desk;
use crate::postgres::digest::{self, Schedule};
use crate::postgres::digest_slot;
use crate::postgres::tenant::{self, Tenant};

/// How often due schedules are looked for.
const EVERY: Duration = Duration::from_millis(250);
/// Schedules that are found at once.
const BATCH: usize = 256;
/// Schedules that each replica looks at at once.
const AT_ONCE: usize = 4;
/// Before every schedule.
const BEGINNING: (Timestamp, Uuid) = (Timestamp::UNIX_EPOCH, Uuid::nil());

/// Says what is due under `host` until it stops.
pub(crate) fn spawn(host: &Host, desk: Desk) {
    // Told as zero from the start: of a counter that appears with its first one, nobody sees that it rose.
    metrics::counter!("tsunagi_scheduler_digest_failures_total").increment(0);
    for reason in Fate::ALL.into_iter().filter_map(why_missed) {
        metrics::counter!("tsunagi_scheduler_digest_slots_missed_total", "reason" => reason).increment(0);
    }
    let stopping = host.stopping();
    host.spawn("scheduler.digests", async move {
        let run = async {
            loop {
                if let Err(error) = round(&desk).await {
                    tracing::warn!(error = %error, "due digests cannot be looked for now");
                }
                tokio::time::sleep(EVERY).await;
            }
        };
        stopping.run_until_cancelled(run).await;
        Ok(())
    });
}

/// Looks at every schedule that is due, once.
async fn round(desk: &Desk) -> Result<(), sqlx::Error> {
    let mut after = BEGINNING;
    loop {
        let due = digest::due(&desk.database, &desk.turn, after, i64::try_from(BATCH).unwrap_or(i64::MAX)).await?;
        let (last, full) = (due.last().copied(), due.len() >= BATCH);
        futures::stream::iter(due)
            .for_each_concurrent(AT_ONCE, async |(_, tenant)| {
                if let Err(error) = look(desk, tenant).await {
                    troubled(tenant, &error);
                }
            })
            .await;
        match last {
            Some((slot, tenant)) if full => after = (slot, tenant.uuid()),
            _ => return Ok(()),
        }
    }
}

/// What is wrong with one tenant's schedule keeps no other's from being looked at; it is looked at again in the next round.
fn troubled(tenant: TenantId, error: &OutboxError) {
    if matches!(error, OutboxError::Database(error) if is_unavailable(error)) {
        tracing::warn!(%tenant, error = %error, "a digest waits for the database");
    } else {
        tracing::error!(%tenant, error = %error, "a digest cannot be said");
        metrics::counter!("tsunagi_scheduler_digest_failures_total").increment(1);
    }
}

/// Looks at a tenant's schedule, unless another has it in hand or has looked already.
async fn look(desk: &Desk, tenant: TenantId) -> Result<(), OutboxError> {
    let mut tx = desk.database.tenant(tenant).await?;
    let Some((schedule, now)) = digest::lock_due(&mut tx, &desk.turn).await? else { return Ok(tx.rollback().await?) };
    let Some(tenant) = tenant::find(&mut tx).await? else { return Err(sqlx::Error::RowNotFound.into()) };
    let plan = schedule.settings.plan(tenant.zone);
    let look = slot::look(&plan, schedule.last, now, schedule.settings.late_for);
    let settled = settle(&mut tx, &tenant, schedule, &look, now).await?;
    digest::update(&mut tx, &settled).await?;
    failpoint::reached("scheduler.before_digest");
    tx.commit().await?;
    failpoint::reached("scheduler.after_digest");
    Ok(())
}

/// Begins a new tenant's schedule at `now`. Another version of the tenant may have begun it at this moment: then it goes on in this zone.
pub(crate) async fn begin(tx: &mut TenantTx, tenant: &Tenant, now: Timestamp) -> Result<(), OutboxError> {
    let settings = DigestSettings::default();
    let next = slot::next_after(&settings.plan(tenant.zone), now).map(|slot| slot.moment);
    if digest::insert(tx, &Schedule { version: 1, settings, last: now, next }).await? {
        return Ok(());
    }
    retime(tx, tenant, tenant, now).await
}

/// Changes the transaction's tenant from what it was to what it is, which is kept already: its zone, or whether it is suspended. What
/// was due until `now` is said or recorded by the former.
pub(crate) async fn retime(
    tx: &mut TenantTx,
    former: &Tenant,
    present: &Tenant,
    now: Timestamp,
) -> Result<(), OutboxError> {
    let Some(schedule) = digest::lock(tx).await? else { return Ok(()) };
    let settings = schedule.settings.clone();
    change(tx, former, present.zone, schedule, settings, now).await.map(drop)
}

/// Gives a schedule, which is locked, other settings or another zone. What was due until `now` is said or recorded by the former.
pub(crate) async fn change(
    tx: &mut TenantTx,
    former: &Tenant,
    zone: TimeZone,
    schedule: Schedule,
    settings: DigestSettings,
    now: Timestamp,
) -> Result<Schedule, OutboxError> {
    let (was, will_be) = (schedule.settings.plan(former.zone), settings.plan(zone));
    let look = slot::change(&was, &will_be, schedule.last, now, schedule.settings.late_for);
    let settled = settle(tx, former, schedule, &look, now).await?;
    let changed = Schedule { settings, ..settled };
    digest::update(tx, &changed).await?;
    Ok(changed)
}

/// Says and records what a look found; how the schedule stands then, to be kept.
async fn settle(
    tx: &mut TenantTx,
    tenant: &Tenant,
    schedule: Schedule,
    look: &Look,
    now: Timestamp,
) -> Result<Schedule, OutboxError> {
    let outcome = look.outcome(tenant.suspended);
    if let Some(slot) = outcome.say {
        say(tx, &schedule.settings, slot, now).await?;
    }
    digest_slot::record(tx, &outcome, now).await?;
    // What one look finds missed was missed for one reason.
    let missed = outcome.fates.iter().filter(|(_, fate)| *fate != Fate::Said).count() + outcome.unnamed;
    let reason = outcome.fates.iter().find_map(|(_, fate)| why_missed(*fate));
    let late = outcome.say.map(|slot| now.signed_duration_since(slot.moment).to_std().unwrap_or_default());
    tx.after_commit(move || {
        if let Some(late) = late {
            metrics::counter!("tsunagi_scheduler_digest_slots_said_total").increment(1);
            metrics::histogram!("tsunagi_scheduler_digest_late_seconds").record(late.as_secs_f64());
        }
        if let Some(reason) = reason {
            metrics::counter!("tsunagi_scheduler_digest_slots_missed_total", "reason" => reason)
                .increment(missed as u64);
        }
    });
    Ok(Schedule { last: look.last, next: look.next, ..schedule })
}

/// Why a slot of this fate was missed, as figures name it; none: it was said.
fn why_missed(fate: Fate) -> Option<&'static str> {
    match fate {
        Fate::Said => None,
        Fate::Merged => Some("merged"),
        Fate::TooLate => Some("too_late"),
        Fate::Suspended => Some("suspended"),
    }
}

/// Says a slot. Its event has the slot's own ID.
async fn say(tx: &mut TenantTx, settings: &DigestSettings, slot: Slot, now: Timestamp) -> Result<(), OutboxError> {
    let expire = slot.moment.checked_add_signed(chrono::TimeDelta::seconds(settings.late_for.seconds().into()));
    let due = DigestDue {
        slot_time: Some(timestamp(slot.moment)),
        local_time: shown(slot.local),
        recipient_staff_ids: digest::named(&settings.recipients).iter().map(ToString::to_string).collect(),
        expire_time: expire.map(timestamp),
        send_empty: settings.send_empty,
    };
    let event = Outgoing {
        id: EventId::derived(tx.tenant().uuid(), &format!("digest/{}", slot.moment.timestamp_micros())),
        aggregate: "digest",
        time: now,
        body: &SchedulerEvent { body: Some(Body::DigestDue(due)) },
        trace: None,
    };
    outbox::append(tx, event).await
}

/// A wall clock as people read it: `2026-11-23T08:00`.
pub(crate) fn shown(local: chrono::NaiveDateTime) -> String {
    local.format("%Y-%m-%dT%H:%M").to_string()
}
