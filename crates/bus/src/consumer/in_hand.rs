//! What this replica holds: while it waits or is handled, the server and the table are told that somebody is at it, so that
//! nobody else begins; after a crash it is free again within seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Consumer, Handler};
use crate::inbox;
use crate::parked;

/// How long the server waits for a sign of life of a message.
pub(super) const ACK_WAIT: Duration = Duration::from_secs(5);
/// When a sign of life is due.
const SIGN_AFTER: Duration = Duration::from_millis(1500);
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// Rounds between two cleanings of inbox and settled messages: about ten minutes.
const CLEANED_EVERY: u32 = 1200;

#[derive(Debug, Default)]
pub(super) struct InHand {
    messages: Mutex<HashMap<String, Instant>>,
    claims: Mutex<HashMap<(Uuid, Uuid), Instant>>,
}

impl InHand {
    pub(super) fn hold_message(&self, reply: &str) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).insert(reply.to_owned(), Instant::now());
    }

    pub(super) fn hold_claim(&self, tenant: Uuid, message: Uuid) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant, message), Instant::now());
    }

    pub(super) fn let_claim_go(&self, tenant: Uuid, message: Uuid) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant, message));
    }

    fn let_message_go(&self, reply: &str) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).remove(reply);
    }

    fn is_empty(&self) -> bool {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
            && self.claims.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Those who have not given a sign of life lately; they are taken to give one now.
fn quiet<K: Clone + Eq + std::hash::Hash>(held: &Mutex<HashMap<K, Instant>>) -> Vec<K> {
    let now = Instant::now();
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    let quiet = held.iter_mut().filter(|(_, last)| now.duration_since(**last) >= SIGN_AFTER);
    quiet
        .map(|(key, last)| {
            *last = now;
            key.clone()
        })
        .collect()
}

impl<H: Handler> Consumer<H> {
    /// Answers the server about a message and lets it go.
    pub(super) async fn answer(&self, reply: &str, answer: AckKind) {
        self.in_hand.let_message_go(reply);
        self.tell(reply, answer).await;
    }

    async fn tell(&self, reply: &str, answer: AckKind) {
        if let Err(error) = self.bus.client().publish(reply.to_owned(), Bytes::from(answer)).await {
            // The server hands the message out again, and the inbox knows it.
            tracing::debug!(consumer = self.spec.name, error = %error, "an acknowledgement was not sent");
        }
    }

    /// Gives signs of life for everything in hand until the consumer has stopped and nothing is left, and keeps the consumer's
    /// tables small.
    pub(super) async fn keep_claims(self: Arc<Self>) -> anyhow::Result<()> {
        let mut round: u32 = 0;
        while !(self.stopping.is_cancelled() && self.in_hand.is_empty()) {
            tokio::time::sleep(LOOKS_EVERY).await;
            for reply in quiet(&self.in_hand.messages) {
                self.tell(&reply, AckKind::Progress).await;
            }
            let claims = quiet(&self.in_hand.claims);
            if !claims.is_empty()
                && let Err(error) = parked::renew(&self.database, &claims).await
            {
                tracing::debug!(consumer = self.spec.name, error = %error, "claims were not renewed");
            }
            if round.is_multiple_of(CLEANED_EVERY)
                && let Err(error) = self.clean().await
            {
                tracing::warn!(consumer = self.spec.name, error = %error, "old rows stay for now");
            }
            round = round.wrapping_add(1);
        }
        Ok(())
    }

    async fn clean(&self) -> Result<(), sqlx::Error> {
        while !self.stopping.is_cancelled() && inbox::prune(&self.database).await? {}
        while !self.stopping.is_cancelled() && parked::prune(&self.database).await? {}
        Ok(())
    }
}
