//! Replies written for a time (F-31) in a run: kept, moved and cancelled by staff who repeat a call until it is answered, and compared
//! with LINE's books when all is over.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::message_service_client::MessageServiceClient;
use contracts::messaging::v1::{
    CancelMessageRequest, GetMessageRequest, MessageContent, MessageState, RescheduleMessageRequest,
    SendMessageRequest, TextContent,
};
use futures::future::try_join_all;
use kernel::{Clock as _, SystemClock, Timestamp};
use line_simulator::Sent;
use tonic::Code;
use tsunagi::stage::{Connection, Shop, Stage, until};

use super::dice::Dice;

/// Replies of a run that wait for a time.
const KEPT: u32 = 16;
/// The pause between two.
const BETWEEN: Duration = Duration::from_millis(70);
/// How far ahead they are written.
const AHEAD: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(5));
/// How long somebody goes on trying.
const DONE_WITHIN: Duration = Duration::from_mins(2);

/// A reply that was written for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    text: String,
    message: String,
    /// LINE must not have it before this.
    not_before: Timestamp,
    cancelled: bool,
}

/// Where a reply ended: its state, and when it was accepted, as often as LINE's books have it.
type Ended = (MessageState, Vec<DateTime<Utc>>);

/// Keeps replies in these conversations, moves some and cancels some.
pub(super) async fn keep(stage: &Stage, shop: &Shop, seed: u64, conversations: &[&str]) -> anyhow::Result<Vec<Kept>> {
    let client = shop.messages(stage)?;
    let mut dice = Dice::new(seed);
    let mut under_way = Vec::new();
    for n in 0..KEPT {
        let ahead = (dice.duration(AHEAD.0, AHEAD.1), dice.duration(AHEAD.0, AHEAD.1));
        let conversation = conversations[n as usize % conversations.len()];
        let client = client.clone();
        under_way.push(async move {
            tokio::time::sleep(BETWEEN * n).await;
            let kept = one(client.clone(), conversation, format!("予約送信{seed}-{n}"), ahead.0).await?;
            tokio::time::sleep(ahead.0 / 3).await;
            match n % 4 {
                1 => moved(client, kept, ahead.1).await,
                2 => cancelled(client, kept).await,
                _ => Ok(kept),
            }
        });
    }
    try_join_all(under_way).await
}

async fn one(
    mut client: MessageServiceClient<Connection>,
    conversation: &str,
    text: String,
    ahead: Duration,
) -> anyhow::Result<Kept> {
    let content =
        MessageContent { kind: Some(Content::Text(TextContent { text: text.clone(), ..TextContent::default() })) };
    let ask = |not_before: Timestamp| SendMessageRequest {
        conversation_id: conversation.to_owned(),
        content: Some(content.clone()),
        request_id: uuid::Uuid::new_v4().to_string(),
        send_time: Some(contracts::timestamp(not_before)),
        ..SendMessageRequest::default()
    };
    let mut not_before = in_time(ahead);
    let mut request = ask(not_before);
    let kept = until(DONE_WITHIN, async || {
        let kept = client.send_message(request.clone()).await;
        if kept.as_ref().is_err_and(|refused| refused.code() == Code::InvalidArgument) {
            // Its time has passed, by whatever clock, and it was not kept: it is written for another.
            not_before = in_time(ahead);
            request = ask(not_before);
        }
        kept
    })
    .await?;
    let message = kept.into_inner().message.unwrap_or_default().message_id;
    Ok(Kept { text, message, not_before, cancelled: false })
}

/// Moves it, unless it is on its way by then.
async fn moved(mut client: MessageServiceClient<Connection>, kept: Kept, ahead: Duration) -> anyhow::Result<Kept> {
    let mut later = in_time(ahead);
    // What a call that was not answered may have done.
    let mut earliest = later;
    let moved = until(DONE_WITHIN, async || {
        let request = RescheduleMessageRequest {
            message_id: kept.message.clone(),
            send_time: Some(contracts::timestamp(later)),
            ..RescheduleMessageRequest::default()
        };
        match client.reschedule_message(request).await {
            Ok(_) => Ok(true),
            Err(refused) if refused.code() == Code::FailedPrecondition => Ok(false),
            Err(problem) => {
                if problem.code() == Code::InvalidArgument {
                    later = in_time(ahead);
                    earliest = earliest.min(later);
                }
                Err(problem)
            }
        }
    })
    .await?;
    let not_before = if moved { later } else { kept.not_before.min(earliest) };
    Ok(Kept { not_before, ..kept })
}

/// Cancels it, unless it is on its way by then.
async fn cancelled(mut client: MessageServiceClient<Connection>, kept: Kept) -> anyhow::Result<Kept> {
    let request = CancelMessageRequest { message_id: kept.message.clone() };
    let cancelled = until(DONE_WITHIN, async || match client.cancel_message(request.clone()).await {
        Ok(_) => Ok(true),
        Err(refused) if refused.code() == Code::FailedPrecondition => Ok(false),
        Err(problem) => Err(problem),
    })
    .await?;
    Ok(Kept { cancelled, ..kept })
}

/// Whether each went once and not before its time, or not at all where it was cancelled; how many LINE accepted. `turned`: clocks were
/// wrong, so that what was early or late by the right one says nothing.
pub(super) async fn settled(
    stage: &Stage,
    shop: &Shop,
    (kept, turned): (&[Kept], bool),
    books: &[Sent],
) -> anyhow::Result<usize> {
    let mut accepted: BTreeMap<&str, Vec<DateTime<Utc>>> = BTreeMap::new();
    for entry in books {
        for text in entry.messages.iter().filter_map(|message| message["text"].as_str()) {
            accepted.entry(text).or_default().push(entry.at);
        }
    }
    let mut client = shop.messages(stage)?;
    let mut went = 0;
    for one in kept {
        let found = client.get_message(GetMessageRequest { message_id: one.message.clone() }).await?.into_inner();
        let state = found.message.unwrap_or_default().state();
        let times = accepted.get(one.text.as_str()).cloned().unwrap_or_default();
        went += usize::from(!times.is_empty());
        check(one, &(state, times), turned)?;
    }
    Ok(went)
}

fn check(kept: &Kept, (state, times): &Ended, turned: bool) -> anyhow::Result<()> {
    let text = &kept.text;
    let ended = match (state, times.len()) {
        (MessageState::Cancelled, 0) => kept.cancelled,
        // Hours may have passed by the clock it was judged by.
        (MessageState::Refused, 0) => turned && !kept.cancelled,
        (MessageState::Accepted, 1) | (MessageState::Uncertain, 0 | 1) => !kept.cancelled,
        _ => false,
    };
    ensure!(ended, "{text} is {} and in LINE's books {} times", state.as_str_name(), times.len());
    let early = times.iter().any(|at| *at < kept.not_before);
    ensure!(turned || !early, "{text} went before its time");
    Ok(())
}

fn in_time(ahead: Duration) -> Timestamp {
    SystemClock.now() + TimeDelta::from_std(ahead).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageState::{Accepted, Cancelled, Queued, Refused, Scheduled, Uncertain};

    #[test]
    fn every_way_to_be_wrong_is_seen() {
        let moment = SystemClock.now();
        let kept = |cancelled| Kept { text: "a".to_owned(), message: String::new(), not_before: moment, cancelled };
        let (then, before) = (moment, moment - TimeDelta::milliseconds(1));
        let sound = |cancelled, state, times: &[DateTime<Utc>], turned| {
            check(&kept(cancelled), &(state, times.to_vec()), turned).is_ok()
        };
        assert!(sound(false, Accepted, &[then], false) && sound(false, Uncertain, &[], false));
        assert!(sound(true, Cancelled, &[], false) && sound(false, Refused, &[], true));
        assert!(sound(false, Accepted, &[before], true));
        for (cancelled, state, times) in [
            (false, Accepted, &[before][..]),
            (false, Accepted, &[then, then]),
            (false, Accepted, &[]),
            (false, Uncertain, &[then, then]),
            (false, Cancelled, &[]),
            (false, Refused, &[]),
            (false, Scheduled, &[]),
            (false, Queued, &[]),
            (true, Accepted, &[then]),
            (true, Cancelled, &[then]),
            (true, Uncertain, &[]),
        ] {
            assert!(!sound(cancelled, state, times, false), "{cancelled} {state:?} {times:?}");
        }
    }
}
