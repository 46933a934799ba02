//! How long a friend's message takes until staff see it: written at the simulator at a steady rate, whatever the platform
//! does meanwhile, and timed from the moment it should have been written until the live stream shows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contracts::messaging::v1::message_content::Kind as Content;
use contracts::messaging::v1::{Message, WatchConversationsRequest};
use line_simulator::{Act, Trouble, Writing};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tsunagi::stage::{Shop, Stage};

/// Seconds at the beginning that are not counted: connections are made, caches filled.
const WARM_UP: u32 = 3;
/// How long the last messages may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
/// Webhook requests the simulator has under way at once, as LINE has.
const PARALLEL: usize = 32;

/// How friends write.
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
    pub(crate) friends: usize,
}

/// Writes at the rate and tells the percentiles, in milliseconds.
pub(crate) async fn measure(stage: &Stage, shop: &Shop, rate: &Rate) -> anyhow::Result<Value> {
    let channel = &shop.card.channel_id;
    let friends = Arc::new(stage.line.add_friends(channel, rate.friends, true).await?);
    stage.line.set_delivery(channel, &Trouble { parallel: PARALLEL, ..Trouble::default() }).await?;
    let watch = shop.conversations(stage)?.watch_conversations(WatchConversationsRequest::default()).await?;
    let mut watch = watch.into_inner();
    watch.message().await?.context("the stream ended at once")?;

    let mark = uuid::Uuid::new_v4().simple().to_string();
    let count = rate.per_second * (WARM_UP + rate.seconds);
    let begun = Instant::now() + Duration::from_millis(50);
    let due = {
        let every = Duration::from_secs(1) / rate.per_second;
        move |number: u32| begun + every * number
    };
    let writing = {
        let (line, channel, mark) = (stage.line.clone(), channel.clone(), mark.clone());
        let mut ticks = tokio::time::interval_at(begun, Duration::from_secs(1) / rate.per_second);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        tokio::spawn(async move {
            let mut writing = JoinSet::new();
            for number in 0..count {
                ticks.tick().await;
                let (line, channel) = (line.clone(), channel.clone());
                let text = format!("{mark} {number}");
                let friend = friends[number as usize % friends.len()].person.clone();
                let act = Act::Write(Writing::Text { text, extra: None });
                writing.spawn(async move { line.act(&channel, &friend, act).await.map(drop) });
            }
            while let Some(written) = writing.join_next().await {
                written??;
            }
            anyhow::Ok(())
        })
    };

    let mut seen: HashMap<u32, Duration> = HashMap::new();
    let deadline = due(count) + SEEN_WITHIN;
    while seen.len() < count as usize {
        let Ok(told) = tokio::time::timeout_at(deadline, watch.message()).await else { break };
        let told = told?.context("the stream ended")?;
        let now = Instant::now();
        if let Some(number) = told.message.as_ref().and_then(|message| numbered(message, &mark)) {
            seen.entry(number).or_insert_with(|| now.saturating_duration_since(due(number)));
        }
    }
    writing.await??;
    let counted: Vec<Duration> =
        seen.into_iter().filter(|(number, _)| *number >= rate.per_second * WARM_UP).map(|(_, took)| took).collect();
    Ok(report(counted, (rate.per_second * rate.seconds) as usize))
}

/// The number in a message of this measurement.
fn numbered(message: &Message, mark: &str) -> Option<u32> {
    let Some(Content::Text(text)) = &message.content.as_ref()?.kind else { return None };
    text.text.strip_prefix(mark)?.trim().parse().ok()
}

fn report(mut took: Vec<Duration>, expected: usize) -> Value {
    took.sort_unstable();
    let at = |thousandths: usize| {
        let place = (took.len() * thousandths / 1_000).min(took.len().saturating_sub(1));
        took.get(place).map(|took| took.as_secs_f64() * 1_000.0)
    };
    json!({
        "messages": expected, "seen": took.len(), "p50_ms": at(500), "p90_ms": at(900), "p99_ms": at(990),
        "p999_ms": at(999), "max_ms": at(1_000),
    })
}
