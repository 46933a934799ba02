//! Sending the events of bodies, pipelined.

use bus::publish::{PublishError, Published, Publisher};
use kernel::{AccountId, BodyId};
use tokio::task::JoinHandle;

use super::again::Highest;
use super::event::outbound;
use crate::taken::Taken;

/// Events after which acknowledgements are watched apart, so that room among those in flight becomes free again.
const PORTION: usize = 256;

/// Events on their way: the tasks tell whether the stream has all of theirs.
#[derive(Debug, Default)]
pub(super) struct Sent(Vec<JoinHandle<bool>>);

impl Sent {
    /// Whether the stream has all of them.
    pub(super) async fn all_acknowledged(self) -> bool {
        let mut all = true;
        for portion in self.0 {
            all &= portion.await.unwrap_or(false);
        }
        all
    }
}

/// Sends events, and notes how far the stream has come. Clones share both.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) publisher: Publisher,
    pub(crate) highest: Highest,
}

/// Sends the events of these bodies in their order; waits for room, not for acknowledgements.
///
/// # Errors
/// When NATS does not take them now. Some may have been sent.
pub(super) async fn send(sender: &Sender, bodies: &[Taken]) -> Result<Sent, PublishError> {
    let mut sent = Sent::default();
    let mut portion = Vec::new();
    for body in bodies {
        let name = (body.account, body.body);
        for event in &body.events {
            let Ok(outbound) = outbound(body, event, false) else {
                refused(name, "its type is no token of a subject");
                continue;
            };
            match sender.publisher.publish(&outbound).await {
                Ok(acknowledgement) => portion.push((name, acknowledgement)),
                Err(PublishError::Refused(error)) => refused(name, &error.to_string()),
                Err(unavailable) => return Err(unavailable),
            }
            if portion.len() >= PORTION {
                sent.0.push(watch(sender, std::mem::take(&mut portion)));
            }
        }
    }
    if !portion.is_empty() {
        sent.0.push(watch(sender, portion));
    }
    Ok(sent)
}

fn watch<F>(sender: &Sender, portion: Vec<((AccountId, BodyId), F)>) -> JoinHandle<bool>
where
    F: Future<Output = Result<Published, PublishError>> + Send + 'static,
{
    let highest = sender.highest.clone();
    tokio::spawn(async move {
        let mut all = true;
        for (name, acknowledgement) in portion {
            match acknowledgement.await {
                Ok(published) => highest.note(published.sequence),
                Err(PublishError::Refused(error)) => refused(name, &error.to_string()),
                Err(PublishError::Unavailable(_)) => all = false,
            }
        }
        all
    })
}

/// An event that can never be published as it is, for instance because it is larger than the server allows, or a body that opens no
/// more. It stays in the archive and holds nobody up.
pub(super) fn refused((account, body): (AccountId, BodyId), why: &str) {
    tracing::error!(%account, %body, why, "an event cannot be published");
    metrics::counter!("tsunagi_ingest_unpublishable_total").increment(1);
}
