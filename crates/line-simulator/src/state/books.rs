//! The books: what the Platform accepted and what it sent, for tests to check the product against.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::friendship::Fate;
use super::id::{ChannelId, ChatId, UserId};
use super::sending::Method;

/// How much the books keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Every send, webhook and request.
    #[default]
    Full,
    /// Counters, and enough to notice a message delivered twice. For benchmarks.
    Counts,
}

/// One accepted send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sent {
    /// 1, 2, 3 … in the order of acceptance.
    pub number: u64,
    /// When it was accepted, by the simulated clock.
    pub at: DateTime<Utc>,
    /// The sending account.
    pub account: ChannelId,
    /// How it was sent.
    pub method: Method,
    /// `x-line-request-id` of the accepted request.
    pub request_id: String,
    /// `X-Line-Retry-Key`, when one was given.
    pub retry_key: Option<String>,
    /// The reply token it used.
    pub reply_token: Option<String>,
    /// The chats it was addressed to.
    pub chats: Vec<ChatId>,
    /// The message objects as received.
    pub messages: Vec<Value>,
    /// One ID per message.
    pub message_ids: Vec<String>,
    /// What became of each recipient. For a group or room: one entry, the chat's ID as user.
    pub fates: Vec<(UserId, Fate)>,
    /// Messages counted against the month.
    pub counted: u64,
}

/// One try to deliver a webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// When, by the simulated clock.
    pub at: DateTime<Utc>,
    /// Whether the event said so.
    pub is_redelivery: bool,
    /// Whether this try was an injected network duplicate.
    pub is_duplicate: bool,
    /// The status the product answered, if it answered.
    pub status: Option<u16>,
    /// `OK`, or LINE's word for the failure (`COULD_NOT_CONNECT`, `REQUEST_TIMEOUT`, `ERROR_STATUS_CODE`,
    /// `UNCLASSIFIED`).
    pub reason: String,
}

/// One webhook event and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// 1, 2, 3 … in the order of creation.
    pub number: u64,
    /// The receiving account.
    pub account: ChannelId,
    /// LINE's ID of the event.
    pub webhook_event_id: String,
    /// The event as first sent.
    pub event: Value,
    /// Every try to deliver it.
    pub attempts: Vec<Attempt>,
    /// Whether any try was answered with 2xx.
    pub acknowledged: bool,
}

/// One API request and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requested {
    /// When it arrived, by the simulated clock.
    pub at: DateTime<Utc>,
    /// Whose token it carried.
    pub account: Option<ChannelId>,
    /// Method and path as documented.
    pub endpoint: String,
    /// `x-line-request-id`.
    pub request_id: String,
    /// `X-Line-Retry-Key`, as given.
    pub retry_key: Option<String>,
    /// The answered status; absent when the answer was cut off.
    pub status: Option<u16>,
}

/// A message one person was shown more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    /// The sending account.
    pub account: ChannelId,
    /// Who or which chat.
    pub chat: ChatId,
    /// The message object; null when the books keep counts only.
    pub message: Value,
    /// How often it was delivered.
    pub times: u64,
    /// The requests that delivered it; empty when the books keep counts only.
    pub request_ids: Vec<String>,
}

/// The counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Accepted requests by method.
    pub accepted: HashMap<Method, u64>,
    /// Message objects delivered, per recipient chat.
    pub delivered_messages: u64,
    /// Recipients by fate.
    pub fates: HashMap<Fate, u64>,
    /// Messages delivered to a chat that had got the same before.
    pub duplicates: u64,
    /// API answers by status; a cut connection counts under 0.
    pub answers: HashMap<u16, u64>,
    /// Webhook events created.
    pub webhooks: u64,
    /// Tries to deliver webhooks.
    pub webhook_attempts: u64,
    /// Webhook events answered with 2xx at least once.
    pub webhooks_acknowledged: u64,
}

/// Requests remembered at most; older ones fall out.
const REQUESTS_KEPT: usize = 50_000;

/// Everything written down.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) detail: Detail,
    pub(crate) counts: Counts,
    pub(crate) sent: Vec<Sent>,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) requests: VecDeque<Requested>,
    webhook_by_id: HashMap<String, usize>,
    seen: HashSet<u64>,
    repeated: HashMap<u64, Duplicate>,
    numbers: u64,
}

impl Books {
    /// Writes an accepted send down.
    pub(crate) fn accepted(&mut self, mut sent: Sent) {
        *self.counts.accepted.entry(sent.method).or_default() += 1;
        for (user, fate) in &sent.fates {
            *self.counts.fates.entry(*fate).or_default() += 1;
            if *fate == Fate::Delivered {
                self.counts.delivered_messages += sent.messages.len() as u64;
                let chat = ChatId::from(user.as_str());
                for message in &sent.messages {
                    Self::notice_repeat(&mut self.seen, &mut self.repeated, &mut self.counts, &sent, &chat, message);
                }
            }
        }
        if self.detail == Detail::Full {
            self.numbers += 1;
            sent.number = self.numbers;
            self.sent.push(sent);
        }
    }

    fn notice_repeat(
        seen: &mut HashSet<u64>,
        repeated: &mut HashMap<u64, Duplicate>,
        counts: &mut Counts,
        sent: &Sent,
        chat: &ChatId,
        message: &Value,
    ) {
        let print = fingerprint(&sent.account, chat, message);
        if seen.insert(print) {
            return;
        }
        counts.duplicates += 1;
        repeated
            .entry(print)
            .or_insert_with(|| Duplicate {
                account: sent.account.clone(),
                chat: chat.clone(),
                message: message.clone(),
                times: 1,
                request_ids: Vec::new(),
            })
            .times += 1;
    }

    /// Everything a person or chat was shown twice.
    pub(crate) fn duplicates(&self) -> Vec<Duplicate> {
        let mut found: Vec<Duplicate> = self.repeated.values().cloned().collect();
        for duplicate in &mut found {
            let user = UserId::from(duplicate.chat.as_str());
            duplicate.request_ids = self
                .sent
                .iter()
                .filter(|s| s.account == duplicate.account && s.messages.contains(&duplicate.message))
                .filter(|s| s.fates.contains(&(user.clone(), Fate::Delivered)))
                .map(|s| s.request_id.clone())
                .collect();
        }
        found.sort_by(|a, b| (&a.account, &a.chat).cmp(&(&b.account, &b.chat)));
        found
    }

    /// A webhook event came into being.
    pub(crate) fn webhook(&mut self, account: &ChannelId, webhook_event_id: &str, event: &Value) {
        self.counts.webhooks += 1;
        self.webhook_by_id.insert(webhook_event_id.to_owned(), self.webhooks.len());
        let full = self.detail == Detail::Full;
        self.numbers += 1;
        self.webhooks.push(Webhook {
            number: self.numbers,
            account: account.clone(),
            webhook_event_id: webhook_event_id.to_owned(),
            event: if full { event.clone() } else { Value::Null },
            attempts: Vec::new(),
            acknowledged: false,
        });
    }

    /// A delivery was tried.
    pub(crate) fn attempted(&mut self, webhook_event_id: &str, attempt: Attempt) {
        self.counts.webhook_attempts += 1;
        let Some(webhook) = self.webhook_by_id.get(webhook_event_id).and_then(|at| self.webhooks.get_mut(*at)) else {
            return;
        };
        if attempt.reason == "OK" && !webhook.acknowledged {
            webhook.acknowledged = true;
            self.counts.webhooks_acknowledged += 1;
        }
        if self.detail == Detail::Full {
            webhook.attempts.push(attempt);
        }
    }

    /// A request was answered.
    pub(crate) fn requested(&mut self, requested: Requested) {
        *self.counts.answers.entry(requested.status.unwrap_or(0)).or_default() += 1;
        if self.detail == Detail::Full {
            if self.requests.len() == REQUESTS_KEPT {
                self.requests.pop_front();
            }
            self.requests.push_back(requested);
        }
    }

    /// Starts new, empty books.
    pub(crate) fn reset(&mut self, detail: Detail) {
        *self = Self { detail, ..Self::default() };
    }
}

fn fingerprint(account: &ChannelId, chat: &ChatId, message: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    (account, chat).hash(&mut hasher);
    message.hash(&mut hasher);
    hasher.finish()
}
