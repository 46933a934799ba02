//! Webhooks leaving: one lane per account, ordered trouble on the way, redelivery when the product did not answer 2xx.

mod attempt;
mod lane;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use crate::platform::Platform;
use crate::state::event::Outgoing;
use crate::state::id::ChannelId;

pub(crate) use attempt::{deliver, http_client, post, seal};

/// The lanes, one per account that ever had an event.
#[derive(Debug)]
pub(crate) struct Mailroom {
    lanes: Mutex<HashMap<ChannelId, Lane>>,
    pending: AtomicU64,
    settled: watch::Sender<()>,
}

#[derive(Debug)]
struct Lane {
    inlet: mpsc::UnboundedSender<Outgoing>,
    changed: Arc<Notify>,
}

impl Default for Mailroom {
    fn default() -> Self {
        Self { lanes: Mutex::default(), pending: AtomicU64::new(0), settled: watch::Sender::new(()) }
    }
}

impl Mailroom {
    /// Puts events into their accounts' lanes.
    pub(crate) fn post(&self, platform: &Arc<Platform>, events: Vec<Outgoing>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            let lane = lanes.entry(event.channel.clone()).or_insert_with(|| {
                let (inlet, outlet) = mpsc::unbounded_channel();
                let changed = Arc::new(Notify::new());
                let run = lane::run(platform.clone(), event.channel.clone(), outlet, changed.clone());
                platform.tasks.spawn(run);
                Lane { inlet, changed }
            });
            self.pending.fetch_add(1, Ordering::SeqCst);
            if lane.inlet.send(event).is_err() {
                self.done(1);
            }
        }
    }

    /// Tells a lane that its account's trouble has changed.
    pub(crate) fn trouble_changed(&self, channel: &ChannelId) {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(channel) {
            lane.changed.notify_one();
        }
    }

    /// Events that have not been tried once.
    pub(crate) fn pending(&self) -> u64 {
        self.pending.load(Ordering::SeqCst)
    }

    /// Waits until every event was tried once; false when the deadline came first.
    pub(crate) async fn settle(&self, deadline: Duration) -> bool {
        let mut settled = self.settled.subscribe();
        let wait = async {
            while self.pending() > 0 {
                if settled.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(deadline, wait).await.is_ok()
    }

    fn done(&self, events: u64) {
        if self.pending.fetch_sub(events, Ordering::SeqCst) == events {
            self.settled.send_replace(());
        }
    }
}
