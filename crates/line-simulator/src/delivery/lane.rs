//! One account's webhooks, in order unless trouble is ordered.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::attempt::{Verdict, deliver, seal};
use crate::platform::Platform;
use crate::recording::{Delivery, RecordedAccount};
use crate::state::books::Attempt;
use crate::state::event::Outgoing;
use crate::state::id::ChannelId;
use crate::state::trouble::Trouble;

/// Runs until the simulator stops.
pub(super) async fn run(
    platform: Arc<Platform>,
    channel: ChannelId,
    mut outlet: mpsc::UnboundedReceiver<Outgoing>,
    changed: Arc<Notify>,
) {
    let mut waiting = Vec::new();
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            () = platform.stop.cancelled() => return,
            event = outlet.recv() => match event {
                Some(event) => waiting.push(event),
                None => return,
            },
            () = changed.notified() => {}
            Some(_) = under_way.join_next(), if !under_way.is_empty() => continue,
        }
        while let Ok(event) = outlet.try_recv() {
            waiting.push(event);
        }
        let trouble = trouble_of(&platform, &channel);
        if trouble.hold || waiting.len() < trouble.reorder_window {
            continue;
        }
        if trouble.reorder_window > 0 {
            platform.with(|world, _| world.mint.shuffle(&mut waiting));
        }
        while !waiting.is_empty() {
            let batch: Vec<Outgoing> = waiting.drain(..trouble.batch.clamp(1, waiting.len())).collect();
            while under_way.len() >= trouble.parallel.max(1) {
                under_way.join_next().await;
            }
            under_way.spawn(first_delivery(platform.clone(), batch, trouble.clone()));
        }
    }
}

fn trouble_of(platform: &Arc<Platform>, channel: &ChannelId) -> Trouble {
    platform.with(|world, _| world.troubles.get(channel).cloned().unwrap_or_default())
}

async fn first_delivery(platform: Arc<Platform>, batch: Vec<Outgoing>, trouble: Trouble) {
    if trouble.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(trouble.delay_ms)).await;
    }
    let verdict = attempt(&platform, &batch, false, false).await;
    if verdict.is_some() && platform.with(|world, _| world.mint.chance(trouble.duplicate)) {
        attempt(&platform, &batch, false, true).await;
    }
    platform.mailroom.done(batch.len() as u64);
    if verdict.is_some_and(|v| !v.is_ok()) {
        let again = redelivery(platform.clone(), batch, trouble);
        let stop = platform.stop.clone();
        platform.tasks.spawn(async move { stop.run_until_cancelled(again).await });
    }
}

/// Tries again by the schedule while the account wants redelivery, until a 2xx comes back.
async fn redelivery(platform: Arc<Platform>, batch: Vec<Outgoing>, trouble: Trouble) {
    for wait in trouble.redeliver_after_ms {
        let wait = TimeDelta::milliseconds(i64::try_from(wait).unwrap_or(i64::MAX)).min(TimeDelta::days(30));
        let due = platform.clock.now() + wait;
        platform.clock.sleep_until(due).await;
        let wanted = platform.with(|world, _| {
            batch.first().and_then(|e| world.accounts.get(&e.channel)).is_some_and(|account| account.redelivery)
        });
        if !wanted || attempt(&platform, &batch, true, false).await.is_some_and(|v| v.is_ok()) {
            return;
        }
    }
}

/// Sends a batch once and enters it in the books; `None` when the account takes no webhooks.
async fn attempt(platform: &Arc<Platform>, batch: &[Outgoing], redelivery: bool, duplicate: bool) -> Option<Verdict> {
    let channel = &batch.first()?.channel;
    let wanted = platform.recorder.is_on();
    let (at, url, secret, destination) = platform.with(|world, now| {
        let account = world.accounts.get(channel).filter(|account| account.webhook_active)?;
        let url = account.webhook_url.clone();
        if url.is_none() && !wanted {
            return None;
        }
        let facts = (now, url, account.secret.clone(), account.bot_user_id.clone());
        for token in batch.iter().filter_map(|e| e.reply_token.as_deref()) {
            world.reply_tokens.delivered(now, token);
        }
        Some(facts)
    })?;
    let mut events: Vec<_> = batch.iter().map(|e| e.event.clone()).collect();
    if redelivery {
        for event in &mut events {
            event["deliveryContext"]["isRedelivery"] = true.into();
        }
    }
    let sealed = seal(&secret, &destination, &events);
    if let Some(sealed) = sealed.as_ref().filter(|_| wanted) {
        let by = RecordedAccount { account: channel.clone(), destination, channel_secret: secret };
        let (signature, body) = (sealed.signature.clone(), sealed.body.clone());
        platform.recorder.write(by, Delivery { at, account: channel.clone(), redelivery, signature, body });
    }
    // Without an address it is written down and goes nowhere.
    let verdict = deliver(&platform.http, &url?, sealed).await;
    platform.with(|world, now| {
        for event in batch {
            world.books.attempted(
                &event.webhook_event_id,
                Attempt {
                    at: now,
                    is_redelivery: redelivery,
                    is_duplicate: duplicate,
                    status: verdict.status,
                    reason: verdict.reason.to_owned(),
                },
            );
        }
    });
    Some(verdict)
}
