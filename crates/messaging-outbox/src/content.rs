//! Fetches contents of media messages from LINE and keeps them. LINE deletes them after a time it does not tell, so this begins
//! as soon as the message is here (<https://developers.line.biz/en/reference/messaging-api/#get-content>).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use chassis::Host;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use chassis::work_queue::{Crew, Job};
use futures::{Stream, StreamExt as _};
use kernel::MessageId;
use line_client::{Content, ContentAnswer, ContentError, FailureKind};
use line_types::id::MessageId as LineMessageId;
use messaging_outbox_core::media::{self, AfterFetch, ContentState, Fetched};
use tokio::sync::broadcast::error::RecvError;

use crate::access_token::TokenTrouble;
use crate::postgres::account;
use crate::postgres::content::{self, Outcome};
use crate::postgres::inbound;
use crate::sender::Tools;
use crate::wake::Wake;

/// Pieces of a content, as kept and as streamed.
pub(crate) const CHUNK: usize = 256 * 1024;
/// How long one content may take to come.
const DEADLINE: Duration = Duration::from_mins(5);
/// A job whose fetcher died is due again after this.
const LEASE: Duration = Duration::from_mins(6);
/// How often due jobs are looked for when nobody wakes the fetcher.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How contents are fetched.
#[derive(Clone, Copy, Debug)]
pub struct ContentConfig {
    /// Contents fetched at once.
    pub at_once: NonZeroUsize,
    /// The largest content that is kept, in bytes.
    pub most_bytes: u64,
}

/// Starts the fetcher under `host`.
pub(crate) fn spawn(host: &Host, tools: Arc<Tools>, config: ContentConfig) {
    let crew = Crew { queue: content::JOBS, at_once: config.at_once, lease: LEASE, look_every: LOOK_EVERY };
    let database = tools.database.clone();
    crew.spawn(host, "messaging.content", &database, wakes(&tools).boxed(), move |job| {
        let tools = Arc::clone(&tools);
        async move { fetch(&tools, config, job).await }
    });
}

/// Somebody says that a content waits.
fn wakes(tools: &Tools) -> impl Stream<Item = ()> + use<> {
    futures::stream::unfold(tools.wakes.subscribe(), |mut wakes| async {
        loop {
            match wakes.recv().await {
                Ok(Wake::Content) | Err(RecvError::Lagged(_)) => return Some(((), wakes)),
                Ok(Wake::Change(_) | Wake::Queue(_) | Wake::Look | Wake::Notice | Wake::Placing) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    })
}

async fn fetch(tools: &Tools, config: ContentConfig, job: Job) {
    failpoint::reached("messaging.before_content");
    let message = MessageId::from(job.subject);
    let outcome = match try_fetch(tools, config, &job, message).await {
        Ok(None) => return,
        Ok(Some(fetched)) => fetched,
        Err(error) => {
            tracing::warn!(message.id = %message, error = format!("{error:#}"), "a content cannot be kept now");
            Fetched::Trouble
        }
    };
    metrics::counter!("tsunagi_messaging_contents_total", "outcome" => outcome_name(outcome)).increment(1);
    let done = match media::after_fetch(outcome, job.attempts, job.age, rand::random()) {
        AfterFetch::Settled(ContentState::Stored) => Ok(()),
        AfterFetch::Settled(state) => settle(tools, &job, state).await,
        AfterFetch::Again(wait) => content::JOBS.postpone(tools.database.worker(), &job, Some(wait)).await,
    };
    if let Err(error) = done {
        // The job's lease runs out, and it is tried again.
        tracing::warn!(message.id = %message, error = %error, "a content's outcome cannot be written now");
    }
}

/// What the figures call it.
const fn outcome_name(fetched: Fetched) -> &'static str {
    match fetched {
        Fetched::Whole => "whole",
        Fetched::Preparing => "preparing",
        Fetched::Gone => "gone",
        Fetched::TooLarge => "too_large",
        Fetched::Trouble => "trouble",
    }
}

/// Fetches a content and keeps it; none when it is not wanted any more, or another attempt has taken over.
async fn try_fetch(
    tools: &Tools,
    config: ContentConfig,
    job: &Job,
    message: MessageId,
) -> anyhow::Result<Option<Fetched>> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    let wanted = content::wanted(&mut tx, message).await?;
    let account = account::read(&mut tx, job.account).await?;
    tx.rollback().await?;
    let Some(line_message) = wanted.and_then(|id| LineMessageId::parse(&id).ok()) else {
        settle(tools, job, ContentState::Gone).await?;
        return Ok(None);
    };
    let Some(account) = account else { return Ok(Some(Fetched::Trouble)) };
    let Ok(mut access) = tools.tokens.get(&account).await else { return Ok(Some(Fetched::Trouble)) };
    for renewed in [false, true] {
        match tools.line.content(&access, &line_message, config.most_bytes, DEADLINE).await {
            Ok(ContentAnswer::Ready(content)) => return keep(tools, job, content).await,
            Ok(ContentAnswer::NotReady) => return Ok(Some(Fetched::Preparing)),
            Ok(ContentAnswer::Gone) => return Ok(Some(Fetched::Gone)),
            Err(failure) if failure.kind == FailureKind::Unauthorized && !renewed => {
                match tools.tokens.renew(&account, &access).await {
                    Ok(fresh) => access = fresh,
                    Err(
                        TokenTrouble::Missing
                        | TokenTrouble::Unreadable
                        | TokenTrouble::Refused
                        | TokenTrouble::Unavailable,
                    ) => {
                        return Ok(Some(Fetched::Trouble));
                    }
                }
            }
            Err(failure) if failure.status == Some(404) => return Ok(Some(Fetched::Gone)),
            Err(_) => return Ok(Some(Fetched::Trouble)),
        }
    }
    Ok(Some(Fetched::Trouble))
}

/// Keeps the bytes as they come, each piece in a transaction of its own: what LINE or the database takes long for holds neither a
/// connection nor a watcher's horizon. Only the last transaction says that the content is there. None when the message was unsent
/// meanwhile, which removed what was kept, or when another attempt has taken over, which replaces it.
async fn keep(tools: &Tools, job: &Job, content: Content) -> anyhow::Result<Option<Fetched>> {
    let message = MessageId::from(job.subject);
    let mut stream = content.into_stream();
    let (mut buffer, mut parts, mut size, mut kind) = (Vec::with_capacity(CHUNK), 0, 0i64, None);
    loop {
        let next = match stream.next().await {
            Some(Ok(bytes)) => Some(bytes),
            None => None,
            Some(Err(ContentError::TooLarge(_))) => return Ok(Some(Fetched::TooLarge)),
            Some(Err(ContentError::BrokenOff)) => return Ok(Some(Fetched::Trouble)),
        };
        let ended = next.is_none();
        let mut bytes = next.unwrap_or_default();
        loop {
            let room = CHUNK - buffer.len();
            buffer.extend_from_slice(&bytes.split_to(bytes.len().min(room)));
            if buffer.len() < CHUNK && (!ended || buffer.is_empty()) {
                break;
            }
            kind.get_or_insert_with(|| media::sniff(&buffer));
            let Some(mut tx) = begin(tools, job).await? else { return Ok(None) };
            content::put_chunk(&mut tx, message, parts, &buffer).await?;
            tx.commit().await?;
            parts += 1;
            size += i64::try_from(buffer.len()).unwrap_or(0);
            buffer.clear();
        }
        if ended {
            break;
        }
    }
    let Some(mut tx) = begin(tools, job).await? else { return Ok(None) };
    let content_type = kind.unwrap_or("application/octet-stream");
    let stored = Outcome { state: ContentState::Stored, content_type, size, parts };
    content::settle(&mut tx, job, stored).await?;
    announce(tools, &mut tx, message).await?;
    tx.commit().await?;
    Ok(Some(Fetched::Whole))
}

/// A transaction in which `job` stays in this attempt's hands and its message as it is. Whoever takes the message back waits for
/// it, and then sees the bytes. None when it was unsent, or another attempt has taken over.
async fn begin(tools: &Tools, job: &Job) -> Result<Option<TenantTx>, sqlx::Error> {
    let mut tx = tools.database.tenant(job.tenant).await?;
    inbound::lock(&mut tx, &[MessageId::from(job.subject)]).await?;
    if content::is_ours(&mut tx, job).await? {
        return Ok(Some(tx));
    }
    tx.rollback().await?;
    Ok(None)
}

async fn settle(tools: &Tools, job: &Job, state: ContentState) -> Result<(), sqlx::Error> {
    let message = MessageId::from(job.subject);
    let mut tx = tools.database.tenant(job.tenant).await?;
    inbound::lock(&mut tx, &[message]).await?;
    content::settle(&mut tx, job, Outcome::without_bytes(state)).await?;
    announce(tools, &mut tx, message).await?;
    tx.commit().await
}

/// Watchers see that the content is there, or that it never will be.
async fn announce(tools: &Tools, tx: &mut TenantTx, message: MessageId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.conversation_change (tenant_id, conversation_id, message_id)
         SELECT tenant_id, conversation_id, message_id FROM messaging.message WHERE tenant_id = $1 AND message_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(message.uuid())
    .execute(&mut **tx)
    .await?;
    let tenant = tx.tenant();
    tools.wakes.after(tx, Wake::Change(tenant));
    Ok(())
}
