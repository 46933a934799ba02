//! The stream of [`crate::watch`] to one watcher.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page;
use contracts::messaging::v1 as wire;
use futures::Stream;
use kernel::Sight;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use uuid::Uuid;

use super::field;
use super::wire::{self as to_wire, sees_line_user_ids};
use crate::postgres::conversation::Conversation;
use crate::watch::{Batch, Cursor, Feed, Hub, Told};

/// Answers that wait for a slow connection.
const ANSWERS: usize = 64;
/// A watcher hears something at least so often.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::WatchConversationsResponse, Status>> + Send>>;

/// Opens a watch: the first answer carries the cursor, then everything since then.
pub(super) async fn open(
    hub: &Hub,
    caller: &Caller,
    request: wire::WatchConversationsRequest,
) -> Result<WatchStream, Status> {
    let tenant = caller.tenant();
    let accounts = field::accounts(&request.account_ids)?;
    let cursor = Some(request.cursor.as_str()).filter(|cursor| !cursor.is_empty());
    let possible = |cursor| page::decode::<Cursor>(cursor).filter(|cursor| cursor.is_possible());
    let wrong = || refuse::invalid("cursor", "is not a cursor of this stream");
    let from = cursor.map(|cursor| possible(cursor).ok_or_else(wrong)).transpose()?;
    let feed = hub.feed(tenant).await.map_err(refuse::database)?;
    // The feed first: what changes while the past is read comes by it, and is told twice rather than not at all.
    let batches = feed.subscribe();
    let (start, past) = match from {
        None => (hub.present(tenant).await.map_err(refuse::database)?, Vec::new()),
        Some(cursor) => {
            let past = hub.since(tenant, cursor).await.map_err(refuse::database)?;
            (cursor, past.ok_or_else(|| refuse::out_of_range("WATCH_LAGGED"))?)
        }
    };
    let (answers, stream) = mpsc::channel(ANSWERS);
    let watcher = Watcher {
        accounts,
        sight: caller.sight(),
        sees_line_user_ids: sees_line_user_ids(caller),
        answers,
        _feed: feed,
    };
    tokio::spawn(watcher.run(start, past, batches));
    Ok(Box::pin(ReceiverStream::new(stream)))
}

struct Watcher {
    accounts: Vec<Uuid>,
    /// Ends with the stream: one whose staff member sees something else from now on is opened anew.
    sight: Sight,
    sees_line_user_ids: bool,
    answers: mpsc::Sender<Result<wire::WatchConversationsResponse, Status>>,
    /// Keeps the tenant's reader alive.
    _feed: Arc<Feed>,
}

/// The watcher has gone.
struct Gone;

impl Watcher {
    async fn run(self, start: Cursor, past: Vec<Batch>, batches: broadcast::Receiver<Arc<Batch>>) {
        // Ends when the watcher goes, or when it is told that it fell behind.
        let _ = self.tell_all(start, past, batches).await;
    }

    async fn tell_all(
        &self,
        start: Cursor,
        past: Vec<Batch>,
        mut batches: broadcast::Receiver<Arc<Batch>>,
    ) -> Result<(), Gone> {
        self.tell(start, wire::WatchConversationsResponse::default()).await?;
        let mut cursor = start;
        for batch in past {
            self.tell_batch(&batch, cursor).await?;
            cursor = batch.cursor;
        }
        // Batches without anything for this watcher come all the time, and do not put the heartbeat off.
        let mut silent_until = Instant::now() + HEARTBEAT;
        loop {
            let heard = tokio::select! {
                heard = tokio::time::timeout_at(silent_until, batches.recv()) => heard,
                () = self.answers.closed() => return Err(Gone),
            };
            match heard {
                Err(_) => {
                    self.tell(cursor, wire::WatchConversationsResponse::default()).await?;
                    silent_until = Instant::now() + HEARTBEAT;
                }
                Ok(Ok(batch)) => {
                    if self.tell_batch(&batch, cursor).await? {
                        silent_until = Instant::now() + HEARTBEAT;
                    }
                    cursor = batch.cursor;
                }
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    return self.answers.send(Err(refuse::out_of_range("WATCH_LAGGED"))).await.map_err(|_| Gone);
                }
                Ok(Err(broadcast::error::RecvError::Closed)) => return Ok(()),
            }
        }
    }

    /// Tells a batch, and whether it held anything for this watcher. Only its last answer carries its own cursor: whoever
    /// breaks off before that goes on where it began.
    async fn tell_batch(&self, batch: &Batch, before: Cursor) -> Result<bool, Gone> {
        let answers: Vec<_> = batch.told.iter().filter_map(|told| self.answer(told)).collect();
        for (place, answer) in answers.iter().enumerate() {
            let cursor = if place + 1 == answers.len() { batch.cursor } else { before };
            self.tell(cursor, answer.clone()).await?;
        }
        Ok(!answers.is_empty())
    }

    /// What this watcher is told; none: it is nothing to it.
    fn answer(&self, told: &Told) -> Option<wire::WatchConversationsResponse> {
        let wanted = |of: &Conversation| self.accounts.is_empty() || self.accounts.contains(&of.account.uuid());
        match told {
            Told::Changed { conversation, message } => {
                let seen = wanted(conversation) && self.sight.takes_in(conversation.organization);
                seen.then(|| wire::WatchConversationsResponse {
                    conversation: Some(to_wire::conversation(conversation)),
                    message: message.as_ref().map(|message| to_wire::message(message, self.sees_line_user_ids)),
                    ..Default::default()
                })
            }
            Told::Left { id, from, now } => {
                let sees = |of: &Conversation| !wanted(of) || self.sight.takes_in(of.organization);
                let gone = self.sight.takes_in(*from) && !now.as_ref().is_some_and(sees);
                let left_conversation_id = id.to_string();
                gone.then(|| wire::WatchConversationsResponse { left_conversation_id, ..Default::default() })
            }
        }
    }

    async fn tell(&self, cursor: Cursor, answer: wire::WatchConversationsResponse) -> Result<(), Gone> {
        let answer = wire::WatchConversationsResponse { cursor: page::encode(&cursor), ..answer };
        self.answers.send(Ok(answer)).await.map_err(|_| Gone)
    }
}
