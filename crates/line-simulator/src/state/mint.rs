//! Making new identifiers and tokens, and the simulator's dice. Seeded, so that a run can be repeated.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use super::id::{ChannelId, ChatId};

/// LINE's message IDs exceed 2^53; so do ours, so that a client parsing them as floating point is caught.
const FIRST_MESSAGE_ID: u64 = 561_000_000_000_000_001;

/// The source of everything new.
#[derive(Debug)]
pub(crate) struct Mint {
    dice: StdRng,
    next_message: u64,
    next_number: u64,
    salt: [u8; 16],
}

impl Mint {
    pub(crate) fn seeded(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let mut salt = [0; 16];
        dice.fill_bytes(&mut salt);
        Self { dice, next_message: FIRST_MESSAGE_ID, next_number: 0, salt }
    }

    /// The next small number, for readable names of people, providers and faults.
    pub(crate) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(crate) fn message_id(&mut self) -> String {
        let id = self.next_message;
        self.next_message += 1;
        id.to_string()
    }

    pub(crate) fn webhook_event_id(&mut self, now: DateTime<Utc>) -> String {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        Ulid::from_parts(millis, self.dice.random()).to_string()
    }

    /// `bytes` random bytes in hexadecimal.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        use std::fmt::Write as _;
        (0..bytes).fold(String::with_capacity(bytes * 2), |mut text, _| {
            let _ = write!(text, "{:02x}", self.dice.random::<u8>());
            text
        })
    }

    /// An opaque token of `bytes` random bytes.
    pub(crate) fn token(&mut self, bytes: usize) -> String {
        let mut raw = vec![0; bytes];
        self.dice.fill_bytes(&mut raw);
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// True with probability `p` (clamped to 0..=1).
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        p >= 1.0 || (p > 0.0 && self.dice.random_bool(p))
    }

    /// Puts things into random order.
    pub(crate) fn shuffle<T>(&mut self, things: &mut [T]) {
        things.shuffle(&mut self.dice);
    }

    /// A number drawn evenly from `low..=high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        if low < high { self.dice.random_range(low..=high) } else { low }
    }

    /// The quote token of a message in a chat. Verifiable without keeping it: quote tokens never expire.
    pub(crate) fn quote_token(&self, channel: &ChannelId, chat: &ChatId, message_id: &str) -> String {
        format!("{}.{message_id}", self.seal(&["quote", channel.as_str(), chat.as_str(), message_id]))
    }

    /// Whether a quote token came from that chat.
    pub(crate) fn is_quote_token(&self, channel: &ChannelId, chat: &ChatId, token: &str) -> bool {
        token.rsplit_once('.').is_some_and(|(_, id)| self.quote_token(channel, chat, id) == token)
    }

    /// The mark-as-read token of a message a channel received.
    pub(crate) fn mark_as_read_token(&self, channel: &ChannelId, message_id: &str) -> String {
        format!("{}.{message_id}", self.seal(&["read", channel.as_str(), message_id]))
    }

    /// The message a mark-as-read token stands for, when it is this channel's.
    pub(crate) fn message_of_read_token(&self, channel: &ChannelId, token: &str) -> Option<String> {
        let (_, id) = token.rsplit_once('.')?;
        (self.mark_as_read_token(channel, id) == token).then(|| id.to_owned())
    }

    fn seal(&self, parts: &[&str]) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.salt);
        for part in parts {
            hasher.update(part.as_bytes());
            hasher.update([0]);
        }
        URL_SAFE_NO_PAD.encode(&hasher.finalize()[..12])
    }
}
