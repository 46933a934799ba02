//! Looks whether something that came before still waits in the spill.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use tokio::sync::Mutex;
use tokio::time::Instant;
use webhook_ingest_core::forwarding::spilled::{Behind, Unmoved};

use crate::spill::Kept;

/// How long a look holds. Who was told 200 by way of the spill posts nothing more within it.
const LOOK_HOLDS: Duration = Duration::from_millis(20);
/// How long NATS has to answer.
const ANSWERED_WITHIN: Duration = Duration::from_millis(500);
/// How long nobody is asked again who did not answer.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// The spill stream, and what this replica remembers of what it spilled. Clones share what was seen.
#[derive(Clone)]
pub(crate) struct Spilled {
    bus: Bus,
    kept: Kept,
    looked: Arc<Mutex<Looked>>,
}

#[derive(Default)]
struct Looked {
    behind: Behind,
    waits: bool,
    /// Until when the answer holds.
    until: Option<Instant>,
}

impl Spilled {
    pub(crate) fn new(bus: &Bus, kept: Kept) -> Self {
        // Told as zero from the start: of a figure that is not there nobody knows that it is zero.
        metrics::gauge!("tsunagi_ingest_forwarding_waits_for_spill").set(0.0);
        Self { bus: bus.clone(), kept, looked: Arc::default() }
    }

    /// Whether what is in its lane waits, because something that came before may not be in its own. For who reaches Postgres.
    pub(super) async fn is_waited_for(&self) -> bool {
        let mut looked = self.looked.lock().await;
        if looked.until.is_some_and(|until| Instant::now() < until) {
            return looked.waits;
        }
        let (seen, holds) = match tokio::time::timeout(ANSWERED_WITHIN, bus::spill::unmoved(&self.bus)).await {
            Ok(Ok(unmoved)) => {
                let kept = u64::try_from(self.kept.count()).unwrap_or(u64::MAX);
                (Some(Unmoved { waiting: unmoved.packs.saturating_add(kept), floor: unmoved.floor }), LOOK_HOLDS)
            }
            Ok(Err(_)) | Err(_) => (None, SILENT_FOR),
        };
        let now = Instant::now();
        looked.waits = looked.behind.waits(seen, now.into_std());
        looked.until = Some(now + holds);
        metrics::gauge!("tsunagi_ingest_forwarding_waits_for_spill").set(if looked.waits { 1.0 } else { 0.0 });
        looked.waits
    }
}
