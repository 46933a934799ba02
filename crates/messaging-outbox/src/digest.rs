//! The digest (F-27, L-12): when scheduler says that a slot has come, each staff member's is made, kept and told, once for each member
//! and slot. A slot's staff are told in steps of a bounded number, each a transaction of its own with its rows and notices, so that
//! whoever is killed in between is followed by somebody who goes on.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bus::consumer::key;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::postgres::TenantTx;
use chassis::work_queue::{Crew, Job};
use chassis::{Host, failpoint};
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DigestDue, SchedulerEvent};
use futures::StreamExt as _;
use kernel::{OrganizationId, Sight, StaffId, TenantId};
use messaging_outbox_core::backoff;
use messaging_outbox_core::digest::{Digest, Due, Outcome, Waiting, slot_id, text};
use messaging_outbox_core::notice::{self as rule, NoticeKind};
use uuid::Uuid;

use crate::database_clock;
use crate::notice::{self, Notice};
use crate::postgres::digest::{self as rows, Slot, Told};
use crate::postgres::{organization, waiting};
use crate::sender::Tools;

/// How slots are worked on.
const CREW: Crew = Crew {
    queue: rows::JOBS,
    at_once: NonZeroUsize::new(2).unwrap(),
    lease: Duration::from_mins(1),
    look_every: Duration::from_secs(1),
};
/// Staff who are told in one transaction. What waits is counted once for all of them.
const AT_ONCE: i64 = 50;
/// Staff that an event names at most; scheduler takes no more.
const MOST_RECIPIENTS: usize = 1_000;

/// Handles `digest_due` of `scheduler.v1`.
pub(crate) struct Slots;

/// How it is consumed.
pub(crate) fn spec() -> ConsumerSpec<SchedulerEvent> {
    ConsumerSpec {
        subjects: vec![Filter::Happened(Family::Scheduler, "digest_due")],
        ..ConsumerSpec::new("digest", Stream::Scheduler, |event: &Incoming<SchedulerEvent>| key(&event.header.id))
    }
}

impl Handler for Slots {
    type Body = SchedulerEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<SchedulerEvent>) -> Result<Handled, Trouble> {
        let Some(Body::DigestDue(due)) = &event.body.body else { return Ok(Handled::Done) };
        match slot(tx.tenant(), due) {
            Ok(slot) => rows::begin(tx, &slot).await?,
            Err(reason) => return Ok(Handled::Never(reason)),
        }
        Ok(Handled::Done)
    }
}

/// Reads a slot; why it is none.
fn slot(tenant: TenantId, due: &DigestDue) -> Result<Slot, &'static str> {
    let moment = |time: &Option<_>| time.as_ref().and_then(contracts::to_timestamp).ok_or("no time");
    let time = moment(&due.slot_time)?;
    text::local_time(&due.local_time).ok_or("no local time")?;
    if due.recipient_staff_ids.len() > MOST_RECIPIENTS {
        return Err("too many recipients");
    }
    let recipients: Result<Vec<Uuid>, _> = due.recipient_staff_ids.iter().map(|id| id.parse()).collect();
    Ok(Slot {
        id: slot_id(tenant.uuid(), time),
        time,
        local_time: due.local_time.clone(),
        recipients: recipients.map_err(|_| "no staff ID")?,
        due: Due { send_empty: due.send_empty, expire: moment(&due.expire_time)? },
    })
}

/// Starts telling under `host`.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>) {
    let database = tools.database.clone();
    CREW.spawn(host, "messaging.digest", &database, futures::stream::pending().boxed(), move |job| {
        let tools = Arc::clone(&tools);
        async move { tell_all(&tools, &job).await }
    });
}

/// Tells a slot's staff, step by step, as long as it is in hand.
async fn tell_all(tools: &Tools, job: &Job) {
    loop {
        match tell(tools, job).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(slot.id = %job.subject, error = %error, "a digest cannot be made now");
                let wait = backoff::delay(job.attempts, rand::random());
                if let Err(error) = CREW.queue.postpone(tools.database.worker(), job, Some(wait)).await {
                    // The job's lease runs out, and it is tried again.
                    tracing::warn!(slot.id = %job.subject, error = %error, "a digest stays claimed");
                }
                return;
            }
        }
    }
}

/// Tells the next of a slot's staff; whether there may be others.
async fn tell(tools: &Tools, job: &Job) -> anyhow::Result<bool> {
    let mut tx = tools.database.tenant_planning_anew(job.tenant).await?;
    let Some((slot, behind)) = rows::hold(&mut tx, job).await? else { return Ok(false) };
    let members = rows::recipients(&mut tx, &slot, behind, AT_ONCE).await?;
    let more = i64::try_from(members.len()).is_ok_and(|count| count >= AT_ONCE);
    let told = compose(tools, &mut tx, &slot, &members).await?;
    let new = rows::insert(&mut tx, &told).await?;
    let told: Vec<Told> = told.into_iter().filter(|one| new.contains(&one.staff)).collect();
    let notices: Vec<Notice> =
        told.iter().filter(|one| one.outcome == Outcome::Told).map(|one| notice(&slot, one)).collect();
    notice::raise(&mut tx, &tools.channels, &notices).await?;
    let last = members.last().map(|(staff, _)| *staff);
    rows::go_on(&mut tx, slot.id, last, more.then_some(CREW.lease.as_secs_f64())).await?;
    failpoint::reached("messaging.before_digest");
    tx.after_commit(move || count(&told));
    tx.commit().await?;
    failpoint::reached("messaging.after_digest");
    Ok(more)
}

/// What each of these is told. All that is counted is counted by one statement, and so at one moment.
async fn compose(
    tools: &Tools,
    tx: &mut TenantTx,
    slot: &Slot,
    members: &[(StaffId, Sight)],
) -> anyhow::Result<Vec<Told>> {
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let waiting: BTreeMap<Option<OrganizationId>, Waiting> = waiting::by_organization(tx).await?;
    let of: Vec<Uuid> = waiting.keys().flatten().map(|id| id.uuid()).collect();
    let names = organization::names(tx, &of).await?;
    let staff: Vec<StaffId> = members.iter().map(|(staff, _)| *staff).collect();
    let reached = notice::reached(tx, &tools.channels, NoticeKind::Digest, &staff).await?;
    let now = database_clock::now(tx, &tools.turn).await?;
    let local = text::local_time(&slot.local_time).unwrap_or_default();
    let told = members.iter().map(|(staff, sight)| {
        let digest = Digest::of(sight, &waiting);
        let outcome = slot.due.outcome(&digest.total, reached.contains(staff), now);
        let (title, body) = match outcome {
            Outcome::Told => (text::title(local), text::body(&digest, &names, now)),
            _ => Default::default(),
        };
        Told { staff: *staff, slot_time: slot.time, outcome, waiting: digest.total, title, body }
    });
    Ok(told.collect())
}

fn notice(slot: &Slot, told: &Told) -> Notice {
    Notice {
        id: rule::id_for(slot.id, told.staff.uuid()),
        staff: told.staff,
        kind: NoticeKind::Digest,
        title: told.title.clone(),
        body: told.body.clone(),
        expire: slot.due.expire,
    }
}

fn count(told: &[Told]) {
    for outcome in Outcome::ALL {
        let number = told.iter().filter(|one| one.outcome == outcome).count();
        metrics::counter!("tsunagi_messaging_digests_total", "outcome" => outcome.name())
            .increment(u64::try_from(number).unwrap_or_default());
    }
}
