//! Sending a recording to a webhook URL.

use std::collections::BTreeMap;

use super::today::signature;
use super::{Recording, Replay, plan};
use crate::clock::Clock;
use crate::delivery::{http_client, post};

/// Where a recording is sent, and signed with what.
#[derive(Clone, Debug)]
pub struct Target {
    /// The webhook URL.
    pub url: String,
    /// Sends the recorded signatures; otherwise each body is signed anew with its account's secret.
    pub keep_signatures: bool,
}

/// What became of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Requests sent.
    pub sent: u64,
    /// Of these, answered with 2xx.
    pub accepted: u64,
    /// The others by what became of them: a status, or `COULD_NOT_CONNECT`, `REQUEST_TIMEOUT`, `UNCLASSIFIED`.
    pub refused: BTreeMap<String, u64>,
}

/// Sends the recording, one request at a time. Fails only when no HTTP client can be made.
pub async fn replay(recording: &Recording, wishes: &Replay, target: &Target) -> Result<Replayed, reqwest::Error> {
    let http = http_client()?;
    let clock = Clock::default();
    let start = clock.now();
    let mut outcome = Replayed::default();
    for sending in plan(&recording.deliveries, wishes) {
        clock.sleep_until(start + sending.after).await;
        let delivery = &recording.deliveries[sending.delivery];
        let fresh = || recording.account_of(delivery).and_then(|account| signature(account, delivery));
        let signature = if target.keep_signatures { None } else { fresh() };
        let signature = signature.unwrap_or_else(|| delivery.signature.clone());
        let verdict = post(&http, &target.url, delivery.body.clone(), &signature).await;
        outcome.sent += 1;
        if verdict.is_ok() {
            outcome.accepted += 1;
        } else {
            let why = verdict.status.map_or_else(|| verdict.reason.to_owned(), |status| status.to_string());
            *outcome.refused.entry(why).or_default() += 1;
        }
    }
    Ok(outcome)
}
