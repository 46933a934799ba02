//! From the spill stream to Postgres, by any replica: a pack leaves the stream once every body in it is committed.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Trouble};
use bytes::Bytes;
use chassis::Host;
use chassis::envelope::EnvelopeError;
use chassis::postgres::Database;
use kernel::TenantId;
use prost::Message;
use tokio::sync::Mutex;

use super::kept::Kept;
use super::message::{SpilledBody, SpilledPack, Unreadable};
use crate::commit::Store;
use crate::taken::Taken;
use crate::vault::Vault;

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
    #[error("a data key cannot be had")]
    Key(#[source] EnvelopeError),
    #[error("Postgres is away or slow")]
    Away,
    #[error("Postgres refuses {0} of its bodies")]
    Refused(usize),
}

impl From<EnvelopeError> for Left {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::Database(error) if chassis::postgres::is_unavailable(&error) => Self::Away,
            error => Self::Key(error),
        }
    }
}

/// Moves packs.
pub(crate) struct Mover {
    store: Mutex<Store>,
    kept: Kept,
    vault: Vault,
    database: Database,
}

impl Mover {
    /// Moves whatever is in the stream, and what comes, under `host`. What `store` commits is left to the backlog to publish, and
    /// no longer `kept`.
    pub(crate) fn spawn(host: &Host, bus: &Bus, store: Store, kept: Kept, vault: Vault, database: Database) {
        let mover = Arc::new(Self { store: Mutex::new(store), kept, vault, database });
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
        // Another replica's, perhaps, of a tenant that is new here.
        let tenants: Vec<TenantId> = pack.bodies.iter().filter_map(SpilledBody::tenant).collect();
        self.vault.learn_existing(&self.database, &tenants).await?;
        let bodies: Vec<Result<Taken, Unreadable>> = pack.bodies.iter().map(|body| body.opened(&self.vault)).collect();
        let readable: Vec<&Taken> = bodies.iter().filter_map(|body| body.as_ref().ok()).collect();
        chassis::failpoint::reached("ingest.before_move");
        let mut store = self.store.lock().await;
        let stored = tokio::time::timeout(PATIENCE, store.store_each(&readable, &Vec::new())).await;
        let settled = stored.map_err(|_| Left::Away)?;
        drop(store);
        if settled.away {
            return Err(Left::Away);
        }
        self.kept
            .forget(readable.iter().zip(&settled.durable).filter(|(_, durable)| **durable).map(|(body, _)| &body.body));
        let refused = settled.durable.iter().filter(|durable| !**durable).count();
        if refused > 0 {
            return Err(Left::Refused(refused));
        }
        let moved = readable.len() as u64;
        // Those that can be read are kept; the pack stays for the sake of the others, and is tried, and counted, as a whole.
        bodies.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
        metrics::counter!("tsunagi_ingest_moved_bodies_total").increment(moved);
        Ok(())
    }
}
