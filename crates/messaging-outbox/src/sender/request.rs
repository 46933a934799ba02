//! A request to LINE: one message, or several frozen together.

use std::fmt;

use kernel::{ConversationId, MessageId, Timestamp, TraceParent};
use line_client::Failure;
use messaging_outbox_core::attempt::Attempt;
use messaging_outbox_core::route::{SendMethod, SendPolicy};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A message within a request.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) message: MessageId,
    pub(super) object: Value,
    /// How often it was tried before this holder had it.
    pub(super) earlier_attempts: u16,
}

/// A reply token in the clear.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) id: Uuid,
    pub(super) until: Timestamp,
    pub(super) text: Zeroizing<String>,
}

/// A request in the hands of a lane.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, each true or false")]
pub(super) struct Request {
    pub(super) class: i16,
    pub(super) conversation: ConversationId,
    pub(super) parts: Vec<Part>,
    pub(super) method: SendMethod,
    pub(super) policy: SendPolicy,
    pub(super) silent: bool,
    /// The retry key of a push.
    pub(super) key: Uuid,
    pub(super) recipient: Option<String>,
    pub(super) token: Option<Token>,
    /// Calls so far, this holder's.
    pub(super) calls: u16,
    pub(super) first_time: Timestamp,
    pub(super) in_doubt: bool,
    pub(super) token_renewed: bool,
    /// Frozen in the database as it stands.
    pub(super) frozen: bool,
    /// Not to be called before.
    pub(super) not_before: Option<Instant>,
    /// The trace of the call that queued it; of several messages, the first one's.
    pub(super) trace: Option<TraceParent>,
    /// What LINE said last.
    pub(super) last: Option<Failure>,
}

impl Request {
    /// The attempt that was just made.
    pub(super) fn attempt(&self) -> Attempt {
        Attempt {
            method: self.method,
            policy: self.policy,
            attempts: self.attempts(),
            first_time: self.first_time,
            in_doubt: self.in_doubt,
            token_renewed: self.token_renewed,
            reply_until: self.token.as_ref().map(|token| token.until),
            has_recipient: self.recipient.is_some(),
        }
    }

    /// The same by push, once the reply was definitely not taken.
    pub(super) fn by_push(self, now: Timestamp) -> Self {
        // A single message is its own key, and no push was tried with it; a pack gets a key of its own.
        let key = if let [part] = self.parts.as_slice() { part.message.uuid() } else { Uuid::new_v4() };
        Self { method: SendMethod::Push, key, token: None, frozen: false, first_time: now, not_before: None, ..self }
    }

    /// How often it was tried, by all holders.
    pub(super) fn attempts(&self) -> u16 {
        let earlier = self.parts.iter().map(|part| part.earlier_attempts).max().unwrap_or(0);
        earlier.saturating_add(self.calls).max(1)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("key", &self.key).field("method", &self.method).finish_non_exhaustive()
    }
}
