//! Into the spill stream.

use std::sync::Arc;

use bus::publish::Publisher;
use futures::future::join_all;
use kernel::{Clock, EventId};
use prost::Message;

use super::kept::Kept;
use super::message::{SpilledBody, SpilledPack};
use crate::taken::Taken;
use crate::vault::Vault;

/// Bytes of bodies after which a message takes no more: below what a server takes unless told otherwise (1 MiB).
const LARGEST_PACK: usize = 768 * 1_024;

/// Puts bodies into the spill stream, and remembers them. Clones share the bound of messages in flight.
#[derive(Clone)]
pub(crate) struct Spill {
    pub(crate) publisher: Publisher,
    pub(crate) kept: Kept,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Spill {
    /// Puts the bodies into the stream, as few messages as they need; tells for each whether the stream has it.
    pub(crate) async fn put(&self, bodies: &[&Taken]) -> Vec<bool> {
        let packs = packs(bodies);
        let outcomes = join_all(packs.iter().map(|pack| self.put_pack(pack))).await;
        packs.iter().zip(outcomes).flat_map(|(pack, kept)| vec![kept; pack.len()]).collect()
    }

    async fn put_pack(&self, bodies: &[&Taken]) -> bool {
        let sealed: Result<Vec<SpilledBody>, _> =
            bodies.iter().map(|body| SpilledBody::of(body, &self.vault)).collect();
        let pack = match sealed {
            Ok(bodies) => SpilledPack { bodies },
            Err(error) => {
                tracing::error!(bodies = bodies.len(), error = %error, "bodies cannot be encrypted");
                return false;
            }
        };
        let id = EventId::new(self.clock.now()).to_string();
        let outcome = async { self.publisher.spill(&id, pack.encode_to_vec().into()).await?.await }.await;
        match outcome {
            Ok(_) => {
                self.kept.add(bodies.iter().map(|body| body.body).zip(pack.bodies));
                chassis::failpoint::reached("ingest.after_spill");
                metrics::counter!("tsunagi_ingest_spilled_bodies_total").increment(bodies.len() as u64);
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(bodies = bodies.len(), error = %error, cause, "bodies could not be spilled");
                false
            }
        }
    }
}

/// The bodies in runs of at most [`LARGEST_PACK`] bytes; a larger one goes alone.
fn packs<'a, 'b>(bodies: &'a [&'b Taken]) -> Vec<&'a [&'b Taken]> {
    let mut packs = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, body) in bodies.iter().enumerate() {
        if at > start && bytes + body.payload.len() > LARGEST_PACK {
            packs.push(&bodies[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += body.payload.len();
    }
    if start < bodies.len() {
        packs.push(&bodies[start..]);
    }
    packs
}
