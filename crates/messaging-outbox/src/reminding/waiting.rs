//! Reminders that were not sent for a reason that may pass: looked at again until it is too late for them. Whoever links after the
//! reminder was said, or whose link was heard of after it, is reminded all the same.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::postgres::Database;
use chassis::work_queue::{Crew, Job};
use futures::StreamExt as _;
use messaging_outbox_core::reminder::NotSent;

use super::{Due, Known, Reminding, count};
use crate::database_clock;
use crate::postgres::reminder_wait as rows;

/// How they are looked at.
const CREW: Crew = Crew {
    queue: rows::JOBS,
    at_once: NonZeroUsize::new(4).unwrap(),
    lease: Duration::from_secs(30),
    look_every: Duration::from_secs(1),
};
/// From one look to the next, when nothing is heard: who links, and what is heard of a reservation, has it looked at at once. Most
/// customers never link, so a look is seldom worth it.
pub(super) const AGAIN_AFTER: Duration = Duration::from_mins(5);

/// Starts looking under `host`.
pub(crate) fn spawn(host: &Host, database: &Database, reminding: Reminding) {
    let reminding = Arc::new(reminding);
    let own = database.clone();
    CREW.spawn(host, "messaging.reminder_wait", database, futures::stream::pending().boxed(), move |job| {
        let (reminding, database) = (Arc::clone(&reminding), own.clone());
        async move {
            if let Err(error) = look(&database, &reminding, &job).await {
                // The job's lease runs out, and it is looked at again.
                tracing::warn!(reminder.id = %job.subject, error = format!("{error:#}"), "a reminder cannot be looked at now");
            }
        }
    });
}

async fn look(database: &Database, reminding: &Reminding, job: &Job) -> anyhow::Result<()> {
    let mut tx = database.tenant_planning_anew(job.tenant).await?;
    let Some(waiting) = rows::hold(&mut tx, job).await? else {
        // Nothing is known of it any more.
        rows::JOBS.finish(&mut *tx, job).await?;
        return Ok(tx.commit().await?);
    };
    let due = Due { activity: waiting.activity, rule: waiting.rule, said: waiting.said, moment: waiting.due };
    let known = Known::read(&mut tx, &BTreeMap::from([((due.activity, due.said.start), due)])).await?;
    let now = database_clock::now(&mut tx, &reminding.turn).await?;
    let made = reminding.clock.now();
    match known.decide(&due, &waiting.template, now, made) {
        None => rows::JOBS.postpone(&mut *tx, job, Some(AGAIN_AFTER)).await?,
        Some(decided) => match &decided.fate {
            Ok(letter) => {
                rows::settle(&mut tx, job, decided.customer, Ok(decided.message), None).await?;
                reminding.queue(&mut tx, &[(&decided, letter)], made).await?;
                tx.after_commit(|| count("made", 1));
            }
            // What it waited for did not come: that is why.
            Err(NotSent::Expired | NotSent::ReservationBegun) => rows::end(&mut tx, job).await?,
            Err(why) => {
                let wait = why.may_pass().then_some(AGAIN_AFTER);
                rows::settle(&mut tx, job, decided.customer, Err(*why), wait).await?;
            }
        },
    }
    Ok(tx.commit().await?)
}
