//! The live stream of a tenant's conversations.
//!
//! Each change is a row that names the transaction which wrote it. A reader takes every row of transactions that were not
//! finished before its last look, so none is missed in whatever order they commit, and remembers which of those it has told
//! already. One reader serves all watchers of a tenant on this replica; it looks when somebody wakes it, and every second.
//! A cursor is the oldest transaction that was not finished then: going on from it repeats a little and misses nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chassis::Host;
use chassis::postgres::{Database, TenantTx};
use kernel::{Clock, ConversationId, MessageId, OrganizationId, TenantId, Timestamp};
use sqlx::Row as _;
use tokio::sync::broadcast::{self, error::TryRecvError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::postgres::conversation::{self, Conversation};
use crate::postgres::message::{self, Message};
use crate::postgres::placing;
use crate::wake::{Wake, Wakes};

/// Batches of changes kept for a slow watcher; one that is further behind is told to list again.
const DEPTH: usize = 256;
/// Batches of the past that one watcher is told at most.
const PAST: usize = 40;
/// Changes told in one batch.
const AT_ONCE: i64 = 500;
/// How often a reader looks when nobody wakes it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From one look to the next at least: what changes in between is told together.
const PACE: Duration = Duration::from_millis(10);
/// How long changes are kept, and so how old a cursor may be.
pub(crate) const KEPT_HOURS: i64 = 24;

/// Where a watcher goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Cursor {
    /// The oldest transaction that was not finished.
    pub(crate) transaction: i64,
    /// When that was, in seconds since 1970.
    pub(crate) time: i64,
}

impl Cursor {
    /// Whether it can be one of ours: it comes from outside.
    pub(crate) const fn is_possible(self) -> bool {
        self.transaction > 0 && self.time > 0
    }
}

/// What watchers are told.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all are changes")]
pub(crate) enum Told {
    /// A conversation as it is now, and the message that changed it.
    Changed { conversation: Conversation, message: Option<Message> },
    /// A conversation went away from an organization, or from nobody's (none); as it is now, where it is shown at all.
    Left { id: ConversationId, from: Option<OrganizationId>, now: Option<Conversation> },
}

/// A change as it was noted: of which conversation, by which message, and from which organization it went away, where it did.
type Change = (ConversationId, Option<MessageId>, Option<Option<OrganizationId>>);

/// Changes, and where to go on after them.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) told: Vec<Told>,
    pub(crate) cursor: Cursor,
}

/// The readers of this replica, one for each tenant that is watched.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    database: Database,
    clock: Arc<dyn Clock>,
    wakes: Wakes,
    stopping: CancellationToken,
    readers: Mutex<HashMap<TenantId, Weak<Feed>>>,
}

/// One tenant's changes. Its reader ends when the last watcher has dropped it.
pub(crate) struct Feed {
    batches: broadcast::Sender<Arc<Batch>>,
}

impl Feed {
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Batch>> {
        self.batches.subscribe()
    }
}

/// What was told of the transactions that may not be finished.
struct Position {
    low: i64,
    told: HashMap<i64, i64>,
}

impl Hub {
    pub(crate) fn new(host: &Host, database: Database, wakes: Wakes) -> Self {
        let readers = Mutex::default();
        Self(Arc::new(Shared { database, clock: host.clock(), wakes, stopping: host.stopping(), readers }))
    }

    /// The feed of a tenant; its reader begins at the present when nobody watched before.
    pub(crate) async fn feed(&self, tenant: TenantId) -> Result<Arc<Feed>, sqlx::Error> {
        let known = |hub: &Self| {
            let readers = hub.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.get(&tenant).and_then(Weak::upgrade)
        };
        if let Some(feed) = known(self) {
            return Ok(feed);
        }
        let wakes = self.0.wakes.subscribe();
        let mut tx = self.0.database.tenant(tenant).await?;
        let low = horizon(&mut tx).await?;
        // What is told from here on was committed after the first answer's cursor, or is told twice.
        let position = Position { low, told: told_since(&mut tx, low).await? };
        tx.rollback().await?;
        let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = readers.get(&tenant).and_then(Weak::upgrade) {
            return Ok(feed);
        }
        readers.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed { batches: broadcast::Sender::new(DEPTH) });
        readers.insert(tenant, Arc::downgrade(&feed));
        let (hub, weak) = (self.clone(), Arc::downgrade(&feed));
        // Ends by itself with its last watcher, or with the process.
        tokio::spawn(async move { hub.read(tenant, weak, position, wakes).await });
        Ok(feed)
    }

    /// The cursor of the present moment.
    pub(crate) async fn present(&self, tenant: TenantId) -> Result<Cursor, sqlx::Error> {
        let mut tx = self.0.database.tenant(tenant).await?;
        let transaction = horizon(&mut tx).await?;
        tx.rollback().await?;
        Ok(self.cursor(transaction))
    }

    /// What changed since `cursor`, in batches until all is told; none when the cursor is too old, of another database, or so
    /// much has changed since that listing is cheaper.
    pub(crate) async fn since(&self, tenant: TenantId, cursor: Cursor) -> Result<Option<Vec<Batch>>, sqlx::Error> {
        let mut tx = self.0.database.tenant(tenant).await?;
        let now = horizon(&mut tx).await?;
        let age = self.0.clock.now().timestamp() - cursor.time;
        if age > KEPT_HOURS * 3600 || cursor.transaction > now {
            return Ok(None);
        }
        let mut position = Position { low: cursor.transaction, told: HashMap::new() };
        let mut batches = Vec::new();
        loop {
            let (batch, full) = self.next(&mut tx, &mut position).await?;
            batches.push(batch);
            if !full {
                break;
            }
            if batches.len() >= PAST {
                return Ok(None);
            }
        }
        tx.rollback().await?;
        Ok(Some(batches))
    }

    fn cursor(&self, transaction: i64) -> Cursor {
        Cursor { transaction, time: self.0.clock.now().timestamp() }
    }

    async fn read(
        &self,
        tenant: TenantId,
        feed: Weak<Feed>,
        mut position: Position,
        mut wakes: broadcast::Receiver<Wake>,
    ) {
        loop {
            let Some(feed) = feed.upgrade() else { return };
            let begun = Instant::now();
            // Whoever called before this look is answered by it.
            while !matches!(wakes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
            match self.look(tenant, &mut position).await {
                Ok(batches) => batches.into_iter().for_each(|batch| {
                    // Nobody may be listening at this moment.
                    let _ = feed.batches.send(Arc::new(batch));
                }),
                Err(error) => tracing::warn!(%tenant, error = %error, "changes cannot be read now"),
            }
            drop(feed);
            let look = tokio::time::sleep(LOOK_EVERY);
            tokio::pin!(look);
            loop {
                tokio::select! {
                    () = self.0.stopping.cancelled() => return,
                    () = &mut look => break,
                    woken = wakes.recv() => match woken {
                        Ok(Wake::Change(changed)) if changed != tenant => {}
                        Ok(Wake::Queue(_) | Wake::Look | Wake::Content | Wake::Notice | Wake::Placing) => {}
                        Ok(Wake::Change(_)) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                        Err(broadcast::error::RecvError::Closed) => return,
                    },
                }
            }
            tokio::time::sleep_until(begun + PACE).await;
        }
    }

    async fn look(&self, tenant: TenantId, position: &mut Position) -> Result<Vec<Batch>, sqlx::Error> {
        let mut tx = self.0.database.tenant(tenant).await?;
        let mut batches = Vec::new();
        loop {
            let (batch, full) = self.next(&mut tx, position).await?;
            batches.push(batch);
            if !full {
                break;
            }
        }
        tx.rollback().await?;
        Ok(batches)
    }

    /// The next changes after `position`, and whether there may be more.
    async fn next(&self, tx: &mut TenantTx, position: &mut Position) -> Result<(Batch, bool), sqlx::Error> {
        let known: Vec<i64> = position.told.keys().copied().collect();
        // One statement, one snapshot: the rows and the oldest unfinished transaction belong together.
        let rows = sqlx::query(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon, r.* FROM (SELECT 1) one LEFT JOIN (
                 SELECT changed::text::bigint AS changed, change_id, conversation_id, message_id, left_organization_id
                 FROM messaging.conversation_change
                 WHERE tenant_id = $1 AND changed >= $2::text::xid8 AND NOT change_id = ANY ($3)
                 ORDER BY changed, change_id LIMIT $4) r ON true",
        )
        .bind(tx.tenant().uuid())
        .bind(position.low.to_string())
        .bind(&known)
        .bind(AT_ONCE)
        .fetch_all(&mut **tx)
        .await?;
        let mut changes: Vec<Change> = Vec::new();
        let (mut horizon, mut last) = (position.low, position.low);
        for row in &rows {
            horizon = row.try_get("horizon")?;
            let Some(change): Option<i64> = row.try_get("change_id")? else { continue };
            let transaction: i64 = row.try_get("changed")?;
            let (of, message): (Uuid, Option<Uuid>) = (row.try_get("conversation_id")?, row.try_get("message_id")?);
            position.told.insert(change, transaction);
            last = transaction;
            let left: Option<Uuid> = row.try_get("left_organization_id")?;
            changes.push((of.into(), message.map(MessageId::from), left.map(placing::read)));
        }
        let full = i64::try_from(changes.len()).is_ok_and(|count| count >= AT_ONCE);
        // Where a batch ends in the middle, nothing beyond its last transaction is told yet.
        position.low = if full { horizon.min(last) } else { horizon };
        position.told.retain(|_, changed| *changed >= position.low);
        let told = if changes.is_empty() { Vec::new() } else { self.told(tx, &changes).await? };
        Ok((Batch { told, cursor: self.cursor(position.low) }, full))
    }

    async fn told(&self, tx: &mut TenantTx, changes: &[Change]) -> Result<Vec<Told>, sqlx::Error> {
        let now: Timestamp = self.0.clock.now();
        let ids: HashSet<ConversationId> = changes.iter().map(|(id, ..)| *id).collect();
        let conversations = conversation::read(tx, &ids.into_iter().collect::<Vec<_>>(), now).await?;
        let conversations: BTreeMap<_, _> = conversations.into_iter().map(|one| (one.id, one)).collect();
        let ids: HashSet<MessageId> = changes.iter().filter_map(|(_, id, _)| *id).collect();
        let messages = message::read(tx, &ids.into_iter().collect::<Vec<_>>()).await?;
        let messages: BTreeMap<_, _> = messages.into_iter().map(|one| (one.id, one)).collect();
        let mut seen = HashSet::new();
        let told = changes.iter().filter(|change| seen.insert(**change)).filter_map(|(id, message, left)| {
            let now = conversations.get(id).cloned();
            if let Some(from) = *left {
                return Some(Told::Left { id: *id, from, now });
            }
            let message = message.and_then(|message| messages.get(&message).cloned());
            Some(Told::Changed { conversation: now?, message })
        });
        Ok(told.collect())
    }
}

async fn horizon(tx: &mut TenantTx) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetch_one(&mut **tx).await
}

async fn told_since(tx: &mut TenantTx, low: i64) -> Result<HashMap<i64, i64>, sqlx::Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT change_id, changed::text::bigint FROM messaging.conversation_change
         WHERE tenant_id = $1 AND changed >= $2::text::xid8",
    )
    .bind(tx.tenant().uuid())
    .bind(low.to_string())
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().collect())
}
