//! Signals between replicas over core NATS: not kept, not acknowledged, gone when nobody listens. For wake-ups whose loss costs
//! a little time and nothing else.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use crate::connection::Bus;

/// The most that a signal may carry, in bytes.
const LARGEST: usize = 4096;

impl Bus {
    /// Tells every other replica that watches `subject` (without prefix, for instance `signal.v1.messaging.conversation`). Nothing is
    /// sent while NATS is away, or when `bytes` are more than 4 KiB.
    pub async fn signal(&self, subject: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        if bytes.len() > LARGEST || !self.is_connected() {
            tracing::debug!(subject, "a signal was not sent");
            return;
        }
        if let Err(error) = self.client().publish(self.prefixed(subject), bytes).await {
            tracing::debug!(subject, error = %error, "a signal was not sent");
        }
    }

    /// The signals of other processes on `subject` (`*` and `>` match as in NATS) from now on, over lost connections too; those
    /// sent meanwhile are missed, and so may be some when this side is slow. Ends with the process.
    pub async fn watch(&self, subject: &str) -> impl Stream<Item = Bytes> + Send + Unpin + use<> {
        match self.client().subscribe(self.prefixed(subject)).await {
            Ok(subscriber) => subscriber.map(|message| message.payload).left_stream(),
            Err(error) => {
                tracing::error!(subject, error = %error, "signals cannot be watched");
                stream::pending().right_stream()
            }
        }
    }
}
