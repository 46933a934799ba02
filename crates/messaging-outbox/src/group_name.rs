//! Asks LINE for the names of group chats (<https://developers.line.biz/en/reference/messaging-api/#get-group-summary>): with a
//! group's first event, and again with an event a day later. Rooms have no name.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::work_queue::{Crew, Job};
use futures::StreamExt as _;
use kernel::ConversationId;
use line_client::FailureKind;
use line_types::id::GroupId;
use messaging_outbox_core::backoff;

use crate::postgres::account;
use crate::postgres::group_name as rows;
use crate::sender::Tools;
use crate::wake::Wake;

/// How names are asked for.
const CREW: Crew = Crew {
    queue: rows::JOBS,
    at_once: NonZeroUsize::new(4).unwrap(),
    lease: Duration::from_mins(1),
    look_every: Duration::from_secs(1),
};
/// How long LINE may take to answer.
const DEADLINE: Duration = Duration::from_secs(3);
/// How often a name is asked for before it stays unknown for a day.
const MOST_ATTEMPTS: u16 = 12;

/// Starts asking under `host`.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>) {
    let database = tools.database.clone();
    CREW.spawn(host, "messaging.group_name", &database, futures::stream::pending().boxed(), move |job| {
        let tools = Arc::clone(&tools);
        async move { ask(&tools, job).await }
    });
}

async fn ask(tools: &Tools, job: Job) {
    let conversation = ConversationId::from(job.subject);
    let done = match name(tools, &job, conversation).await {
        Ok(Some(name)) => settle(tools, &job, conversation, &name).await,
        Ok(None) if job.attempts >= MOST_ATTEMPTS => settle(tools, &job, conversation, "").await,
        Ok(None) => {
            let wait = backoff::delay(job.attempts, rand::random());
            CREW.queue.postpone(tools.database.worker(), &job, Some(wait)).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        // The job's lease runs out, and it is tried again.
        tracing::warn!(conversation.id = %conversation, error = %error, "a group's name cannot be kept now");
    }
}

/// The group's name, empty where LINE does not tell it; none: it cannot be asked for now.
async fn name(tools: &Tools, job: &Job, conversation: ConversationId) -> Result<Option<String>, sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    let chat = rows::key(&mut tx, conversation).await?;
    let account = account::read(&mut tx, job.account).await?;
    tx.rollback().await?;
    let Some(group) = chat.and_then(|chat| GroupId::parse(&chat).ok()) else { return Ok(Some(String::new())) };
    let Some(account) = account else { return Ok(None) };
    let Ok(token) = tools.tokens.get(&account).await else { return Ok(None) };
    match tools.line.group_summary(&token, &group, DEADLINE).await {
        Ok(summary) => Ok(Some(summary.group_name)),
        Err(failure) if failure.kind == FailureKind::Refused => Ok(Some(String::new())),
        Err(failure) if failure.kind == FailureKind::Unauthorized => {
            // The next try uses the new token.
            let _ = tools.tokens.renew(&account, &token).await;
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

async fn settle(tools: &Tools, job: &Job, conversation: ConversationId, name: &str) -> Result<(), sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    rows::settle(&mut tx, conversation, name).await?;
    tools.wakes.after(&mut tx, Wake::Change(job.tenant));
    tx.commit().await
}
