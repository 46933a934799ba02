//! Recordings: every webhook delivery as it was sent, one JSON object a line, to be sent again later.
//!
//! The format stands in `docs/recordings.md`.

mod plan;
mod recorder;
mod send;
mod today;

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::state::id::{ChannelId, UserId};

pub use plan::{Replay, Sending, plan};
pub(crate) use recorder::Recorder;
pub use send::{Replayed, Target, replay};

/// The format's version; a file of another is refused.
pub const VERSION: u32 = 1;
/// Largest recording read, in bytes.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;
/// A recorded day of a hair salon: made by the shipped scenario of the same name, nobody's real data.
pub const SALON_DAY: &str = include_str!("../scenarios/salon-day.jsonl");

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The first line.
    Recording { version: u32 },
    /// An account, before its first delivery; again when its secret has changed.
    Account(RecordedAccount),
    /// A delivery.
    Delivery(Delivery),
}

/// Whose webhooks were recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedAccount {
    /// The channel ID.
    pub account: ChannelId,
    /// The bot's user ID, the `destination` of the bodies.
    pub destination: UserId,
    /// What the bodies are signed with.
    pub channel_secret: String,
}

/// One webhook request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// When it left, by the simulated clock.
    pub at: DateTime<Utc>,
    /// Whose webhook it is.
    pub account: ChannelId,
    /// Whether its events say that they come again.
    pub redelivery: bool,
    /// `x-line-signature`, as it was sent.
    pub signature: String,
    /// The exact body.
    pub body: String,
}

/// A recording that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The accounts as last said.
    pub accounts: Vec<RecordedAccount>,
    /// The deliveries in the order in which they were sent.
    pub deliveries: Vec<Delivery>,
}

/// Why a text is no recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct RecordingError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Recording {
    /// Reads a recording: strict, so that a file of another format is not taken for one. Blank lines are passed over.
    pub fn read(text: &str) -> Result<Self, RecordingError> {
        let at = |line: usize, reason: &str| RecordingError { line, reason: reason.to_owned() };
        if text.len() > MAX_BYTES {
            return Err(at(1, "a recording has at most 256 MiB"));
        }
        let mut recording = Self::default();
        let mut opened = false;
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
            if line.trim().is_empty() {
                continue;
            }
            match serde_json::from_str(line).map_err(|fault| at(number, &fault.to_string()))? {
                Line::Recording { version: VERSION } if !opened => opened = true,
                Line::Recording { version } if !opened => {
                    return Err(at(number, &format!("version {version} is not known here, {VERSION} is")));
                }
                Line::Recording { .. } => return Err(at(number, "a recording begins once")),
                _ if !opened => return Err(at(number, "a recording begins with its version")),
                Line::Account(account) => recording.account(account),
                Line::Delivery(delivery) => {
                    if recording.account_of(&delivery).is_none() {
                        return Err(at(number, &format!("account {} was not said before", delivery.account)));
                    }
                    recording.deliveries.push(delivery);
                }
            }
        }
        if opened { Ok(recording) } else { Err(at(1, "a recording begins with its version")) }
    }

    /// The text of it, as [`Recording::read`] reads it.
    pub fn write(&self) -> String {
        let accounts = self.accounts.iter().cloned().map(Line::Account);
        let deliveries = self.deliveries.iter().cloned().map(Line::Delivery);
        [Line::Recording { version: VERSION }].into_iter().chain(accounts).chain(deliveries).fold(
            String::new(),
            |mut text, line| {
                let _ = writeln!(text, "{}", line.text());
                text
            },
        )
    }

    /// The account of a delivery.
    pub fn account_of(&self, delivery: &Delivery) -> Option<&RecordedAccount> {
        self.accounts.iter().find(|known| known.account == delivery.account)
    }

    fn account(&mut self, account: RecordedAccount) {
        match self.accounts.iter_mut().find(|known| known.account == account.account) {
            Some(known) => *known = account,
            None => self.accounts.push(account),
        }
    }
}

impl Line {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a_recording() -> impl Strategy<Value = Recording> {
        let body = "\\PC{0,40}";
        let delivery = (0_i64..4_000_000_000_000, 0_usize..3, any::<bool>(), "[A-Za-z0-9+/=]{0,44}", body);
        proptest::collection::vec(delivery, 0..20).prop_map(|rows| Recording {
            accounts: (0..3)
                .map(|n| RecordedAccount {
                    account: ChannelId::from(n.to_string()),
                    destination: UserId::from(format!("U{n}")),
                    channel_secret: format!("secret{n}"),
                })
                .collect(),
            deliveries: rows
                .into_iter()
                .map(|(at, account, redelivery, signature, body)| Delivery {
                    at: DateTime::from_timestamp_millis(at).unwrap(),
                    account: ChannelId::from(account.to_string()),
                    redelivery,
                    signature,
                    body,
                })
                .collect(),
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(recording in a_recording()) {
            prop_assert_eq!(Recording::read(&recording.write()).unwrap(), recording);
        }

        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,200}") {
            let _ = Recording::read(&text);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        let opening = "{\"line\":\"recording\",\"version\":1}\n";
        let account = "{\"line\":\"account\",\"account\":\"1\",\"destination\":\"U1\",\"channel_secret\":\"s\"}\n";
        let delivery = "{\"line\":\"delivery\",\"at\":\"2026-04-01T00:00:00Z\",\"account\":\"1\",\"redelivery\":false,\
                        \"signature\":\"x\",\"body\":\"{}\"}\n";
        let wrong = |text: &str| Recording::read(text).map_err(|fault| fault.to_string()).unwrap_err();
        assert_eq!(wrong(""), "line 1: a recording begins with its version");
        assert_eq!(wrong(account), "line 1: a recording begins with its version");
        assert_eq!(wrong("{\"line\":\"recording\",\"version\":2}"), "line 1: version 2 is not known here, 1 is");
        assert_eq!(wrong(&format!("{opening}{opening}")), "line 2: a recording begins once");
        assert_eq!(wrong(&format!("{opening}\n{delivery}")), "line 3: account 1 was not said before");
        let stranger = account.replace("\"account\":\"1\"", "\"account\":\"1\",\"colour\":\"red\"");
        assert!(wrong(&format!("{opening}{stranger}")).contains("line 2: unknown field `colour`"));
        assert_eq!(Recording::read(&format!("{opening}{account}{delivery}")).unwrap().deliveries.len(), 1);
    }

    #[test]
    fn an_accounts_latest_secret_counts() {
        let account = |secret: &str| RecordedAccount {
            account: ChannelId::from("1"),
            destination: UserId::from("U1"),
            channel_secret: secret.to_owned(),
        };
        let mut recording = Recording::default();
        recording.account(account("a"));
        recording.account(account("b"));
        assert_eq!(recording.accounts, [account("b")]);
    }
}
