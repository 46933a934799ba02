//! A notice told by e-mail or webhook: what a job is about, and what follows from an attempt.

use std::time::Duration;

use chassis::work_queue::Job;
use futures::{Stream, stream};
use messaging_outbox_core::answer::is_over;
use messaging_outbox_core::notice::attempt::{Next, Outcome, Reason, next};
use messaging_outbox_core::notice::channel::{DeliveryState, NoticeChannel};
use tokio::sync::broadcast::error::RecvError;

use super::count_settled;
use crate::postgres::notice::job::{self, Task};
use crate::sender::Tools;
use crate::wake::Wake;

/// How long what a suspended tenant would be told waits before it is looked at again.
const SUSPENDED_FOR: Duration = Duration::from_mins(1);

/// Somebody says that a notice waits.
pub(super) fn wakes(tools: &Tools) -> impl Stream<Item = ()> + use<> {
    stream::unfold(tools.wakes.subscribe(), |mut wakes| async {
        loop {
            match wakes.recv().await {
                Ok(Wake::Notice) | Err(RecvError::Lagged(_)) => return Some(((), wakes)),
                Ok(_) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

/// What a job is about, unless there is nothing to be told: then the job has ended, or waits.
pub(super) async fn begin(tools: &Tools, channel: NoticeChannel, job: &Job) -> Result<Option<Task>, sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    let task = job::read(&mut tx, channel, job.subject).await?;
    let Some(task) = task else {
        if let Some(queue) = job::queue(channel) {
            queue.finish(&mut *tx, job).await?;
        }
        tx.commit().await?;
        return Ok(None);
    };
    tx.rollback().await?;
    if is_over(Some(task.raised.notice.expire), task.now) {
        settle(tools, channel, job, DeliveryState::Expired, Some(Reason::NotReached)).await?;
        return Ok(None);
    }
    if task.suspended {
        if let Some(queue) = job::queue(channel) {
            queue.postpone(tools.database.worker(), job, Some(SUSPENDED_FOR)).await?;
        }
        return Ok(None);
    }
    Ok(Some(task))
}

/// Writes what follows from an attempt. `unsure`: the attempts of unknown outcome, this one included, and how many there may be; none:
/// they are not counted.
pub(super) async fn end(
    tools: &Tools,
    channel: NoticeChannel,
    job: &Job,
    task: &Task,
    outcome: Outcome,
    unsure: Option<(u16, u16)>,
) -> Result<(), sqlx::Error> {
    // What was read with the task is the database's clock; an attempt takes a minute at most.
    match next(outcome, job.attempts, unsure, task.raised.notice.expire, task.now, rand::random()) {
        Next::Settled(state, reason) => settle(tools, channel, job, state, reason).await,
        Next::Again(wait) => {
            let Some(queue) = job::queue(channel) else { return Ok(()) };
            let mut tx = tools.database.tenant(job.tenant).await?;
            let counted = unsure.is_some_and(|(so_far, _)| so_far > task.unsure);
            job::note_attempt(&mut tx, channel, job, counted && outcome != Outcome::Unknown).await?;
            queue.postpone(&mut *tx, job, Some(wait)).await?;
            tx.commit().await
        }
    }
}

async fn settle(
    tools: &Tools,
    channel: NoticeChannel,
    job: &Job,
    state: DeliveryState,
    reason: Option<Reason>,
) -> Result<(), sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    let settled = job::settle(&mut tx, channel, job, state, reason).await?;
    tx.commit().await?;
    if settled {
        count_settled(channel, state, 1);
    }
    Ok(())
}
