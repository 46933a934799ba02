//! Asks LINE for the names of group chats (<https://developers.line.biz/en/reference/messaging-api/#get-group-summary>): with a
//! group's first event, and again with an event a day later. Rooms have no name.

use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use futures::StreamExt as _;
use line_client::FailureKind;
use line_types::id::GroupId;
use messaging_outbox_core::backoff;

use crate::postgres::account;
use crate::postgres::group_name::{self as rows, Job};
use crate::postgres::lane::LaneKey;
use crate::sender::Tools;
use crate::wake::Wake;

/// How often due jobs are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Names asked for at once.
const AT_ONCE: usize = 4;
/// How long LINE may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);
/// A job whose process died is due again after this.
const LEASE: Duration = Duration::from_mins(1);
/// How often a name is asked for before it stays unknown for a day.
const MOST_ATTEMPTS: u16 = 12;

/// Starts asking under `host`.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>) {
    let stopping = host.stopping();
    host.spawn("messaging.group_name", async move {
        stopping.run_until_cancelled(keep_asking(&tools)).await;
        Ok(())
    });
}

async fn keep_asking(tools: &Tools) {
    let mut interval = tokio::time::interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match rows::claim(tools.database.worker(), 64, LEASE).await {
            Ok(jobs) => {
                futures::stream::iter(jobs).for_each_concurrent(AT_ONCE, |job| ask(tools, job)).await;
            }
            Err(error) => tracing::warn!(error = %error, "names of groups cannot be looked for now"),
        }
    }
}

async fn ask(tools: &Tools, job: Job) {
    let done = match name(tools, &job).await {
        Ok(Some(name)) => settle(tools, &job, &name).await,
        Ok(None) if job.attempts >= MOST_ATTEMPTS => settle(tools, &job, "").await,
        Ok(None) => {
            let wait = backoff::delay(job.attempts, rand::random());
            rows::postpone(tools.database.worker(), &job, wait).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        // The job's lease runs out, and it is tried again.
        tracing::warn!(conversation.id = %job.conversation, error = %error, "a group's name cannot be kept now");
    }
}

/// The group's name, empty where LINE does not tell it; none: it cannot be asked for now.
async fn name(tools: &Tools, job: &Job) -> Result<Option<String>, sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    let key = rows::key(&mut tx, job.conversation).await?;
    let account = account::read(&mut tx, job.account).await?;
    tx.rollback().await?;
    let Some(group) = key.and_then(|key| GroupId::parse(&key).ok()) else { return Ok(Some(String::new())) };
    let Some(account) = account else { return Ok(None) };
    let lane = LaneKey { tenant: job.tenant, account: job.account };
    let Ok(token) = tools.tokens.get(lane, &account).await else { return Ok(None) };
    match tools.line.group_summary(&token, &group, DEADLINE).await {
        Ok(summary) => Ok(Some(summary.group_name)),
        Err(failure) if failure.kind == FailureKind::Refused => Ok(Some(String::new())),
        Err(failure) if failure.kind == FailureKind::Unauthorized => {
            // The next try uses the new token.
            let _ = tools.tokens.renew(lane, &account, &token).await;
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

async fn settle(tools: &Tools, job: &Job, name: &str) -> Result<(), sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    rows::settle(&mut tx, job.conversation, name).await?;
    tools.wakes.after(&mut tx, Wake::Change(job.tenant));
    tx.commit().await
}
