//! What was just committed is published from memory, in the order of the commits, without waiting for one acknowledgement
//! before the next event is sent.

use std::sync::Arc;
use std::time::Duration;

use chassis::postgres::Database;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::marks::{Done, Marks};
use super::send::{Sender, send};
use crate::taken::Committed;

/// Commits that may wait for their turn.
const WAITING_COMMITS: usize = 4_096;
/// KiB of bodies that may wait or be on their way; what is beyond is left to the backlog.
const WAITING_KIB: usize = 32 * 1_024;
/// When no commit takes marks along, they are written by themselves.
const MARK_EVERY: Duration = Duration::from_millis(250);

type Handed = (Committed, OwnedSemaphorePermit);

/// What the flushers hand their commits over to. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Hand {
    commits: mpsc::Sender<Handed>,
    room: Arc<Semaphore>,
}

/// The other side: publishes what is handed over.
pub(crate) struct Live {
    pub(crate) commits: mpsc::Receiver<Handed>,
    pub(crate) sender: Sender,
    pub(crate) marks: Marks,
    pub(crate) database: Database,
}

/// A hand, and what [`Live`] takes from it.
pub(crate) fn hand() -> (Hand, mpsc::Receiver<Handed>) {
    let (sender, commits) = mpsc::channel(WAITING_COMMITS);
    (Hand { commits: sender, room: Arc::new(Semaphore::new(WAITING_KIB)) }, commits)
}

impl Hand {
    /// Hands a commit over. When too much waits already, its row in the table is left to the backlog.
    pub(crate) fn over(&self, committed: Committed) {
        if committed.bodies.is_empty() {
            return;
        }
        let kib: usize = committed.bodies.iter().map(|body| body.payload.len() / 1_024 + 1).sum();
        let room = u32::try_from(kib).ok().and_then(|kib| Arc::clone(&self.room).try_acquire_many_owned(kib).ok());
        let handed = room.is_some_and(|room| self.commits.try_send((committed, room)).is_ok());
        if !handed {
            metrics::counter!("tsunagi_ingest_publications_left_total").increment(1);
        }
    }
}

impl Live {
    /// Publishes until the flushers are gone and everything they handed over has been tried.
    pub(crate) async fn run(mut self) {
        let mut on_their_way = JoinSet::new();
        let mut marking = tokio::time::interval(MARK_EVERY);
        marking.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut writing = JoinSet::new();
        loop {
            tokio::select! {
                commit = self.commits.recv() => match commit {
                    Some(handed) => self.publish(handed, &mut on_their_way).await,
                    None => break,
                },
                Some(_) = on_their_way.join_next() => {}
                _ = marking.tick(), if writing.is_empty() => {
                    let (marks, database) = (self.marks.clone(), self.database.clone());
                    writing.spawn(async move { marks.write(&database).await });
                }
                Some(_) = writing.join_next() => {}
            }
        }
        on_their_way.join_all().await;
        writing.join_all().await;
        self.marks.write(&self.database).await;
    }

    /// Sends a commit's events; what becomes of them is watched beside. What NATS does not take now stays in the table.
    async fn publish(&self, (committed, room): Handed, on_their_way: &mut JoinSet<()>) {
        let rows: Done = committed.tenants().into_iter().map(|tenant| (tenant, committed.batch)).collect();
        let Ok(sent) = send(&self.sender, &committed.bodies).await else { return };
        let marks = self.marks.clone();
        on_their_way.spawn(async move {
            if sent.all_acknowledged().await {
                chassis::failpoint::reached("ingest.after_publish");
                marks.add(rows);
            }
            drop(room);
        });
    }
}
