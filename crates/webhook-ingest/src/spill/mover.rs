//! From the spill stream to Postgres, by any replica: a pack leaves the stream once every body in it is committed.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Trouble};
use bytes::Bytes;
use chassis::Host;
use prost::Message;
use tokio::sync::Mutex;

use super::kept::Kept;
use super::message::{SpilledPack, Unreadable};
use crate::commit::Store;
use crate::taken::Taken;

/// How long Postgres may take over a pack. Nobody waits for it here.
const PATIENCE: Duration = Duration::from_secs(10);
/// When a pack is tried again while Postgres is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a pack could not be stored whole.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error("the pack cannot be decoded")]
    Garbled(#[from] prost::DecodeError),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("Postgres is away or slow")]
    Away,
    #[error("Postgres refuses {0} of its bodies")]
    Refused(usize),
}

/// Moves packs.
pub(crate) struct Mover {
    store: Mutex<Store>,
    kept: Kept,
}

impl Mover {
    /// Moves whatever is in the stream, and what comes, under `host`. What `store` commits is left to the backlog to publish, and
    /// no longer `kept`.
    pub(crate) fn spawn(host: &Host, bus: &Bus, store: Store, kept: Kept) {
        let mover = Arc::new(Self { store: Mutex::new(store), kept });
        bus::spill::spawn(host, bus, move |pack| {
            let mover = Arc::clone(&mover);
            async move { mover.take(pack).await }
        });
    }

    async fn take(&self, pack: Bytes) -> Result<(), Trouble> {
        match self.store(pack).await {
            Ok(()) => {
                chassis::failpoint::reached("ingest.after_move");
                Ok(())
            }
            Err(error @ Left::Away) => Err(Trouble::unavailable(PAUSE, error)),
            Err(error) => Err(Trouble::failed(error)),
        }
    }

    async fn store(&self, pack: Bytes) -> Result<(), Left> {
        let pack = SpilledPack::decode(pack)?;
        let bodies: Vec<Result<Taken, Unreadable>> = pack.bodies.into_iter().map(Taken::try_from).collect();
        let readable: Vec<&Taken> = bodies.iter().filter_map(|body| body.as_ref().ok()).collect();
        chassis::failpoint::reached("ingest.before_move");
        let mut store = self.store.lock().await;
        let stored = tokio::time::timeout(PATIENCE, store.store_each(&readable, &Vec::new())).await;
        let settled = stored.map_err(|_| Left::Away)?;
        drop(store);
        if settled.away {
            return Err(Left::Away);
        }
        metrics::counter!("tsunagi_ingest_moved_bodies_total").increment(readable.len() as u64);
        self.kept
            .forget(readable.iter().zip(&settled.durable).filter(|(_, durable)| **durable).map(|(body, _)| &body.body));
        let refused = settled.durable.iter().filter(|durable| !**durable).count();
        if refused > 0 {
            return Err(Left::Refused(refused));
        }
        // Those that can be read are kept; the pack stays for the sake of the others.
        bodies.into_iter().find_map(Result::err).map_or(Ok(()), |unreadable| Err(unreadable.into()))
    }
}
