//! A recorded day as if it were another: receivers that pass old events over take it.

use chrono::{DateTime, TimeDelta, Utc};
use line_types::signature::{ChannelSecret, sign};
use serde_json::Value;
use ulid::Ulid;

use super::{Delivery, RecordedAccount, Recording};
use crate::state::id::UserId;

impl Recording {
    /// The same deliveries as if the first had left at `start`: each event's `timestamp` and the time in its
    /// `webhookEventId` move along, and every body is signed anew. What is no such event stays as it is.
    #[must_use]
    pub fn beginning(mut self, start: DateTime<Utc>) -> Self {
        let Some(by) = self.deliveries.first().map(|first| start - first.at) else { return self };
        self.rewrite(|body| {
            for event in body["events"].as_array_mut().into_iter().flatten() {
                move_event(event, by);
            }
        });
        for delivery in &mut self.deliveries {
            delivery.at = delivery.at.checked_add_signed(by).unwrap_or(delivery.at);
        }
        self
    }

    /// The same deliveries for a bot of another user ID and secret, as if every account were that one's.
    #[must_use]
    pub fn addressed_to(mut self, destination: &UserId, channel_secret: &str) -> Self {
        for account in &mut self.accounts {
            account.destination = destination.clone();
            channel_secret.clone_into(&mut account.channel_secret);
        }
        self.rewrite(|body| body["destination"] = destination.as_str().into());
        self
    }

    fn rewrite(&mut self, change: impl Fn(&mut Value)) {
        let Self { accounts, deliveries } = self;
        for delivery in deliveries {
            let Ok(mut body @ Value::Object(_)) = serde_json::from_str(&delivery.body) else { continue };
            change(&mut body);
            delivery.body = body.to_string();
            if let Some(account) = accounts.iter().find(|known| known.account == delivery.account) {
                delivery.signature = signature(account, delivery).unwrap_or_default();
            }
        }
    }
}

/// What `x-line-signature` is for this body now; none when the secret cannot sign.
pub(super) fn signature(account: &RecordedAccount, delivery: &Delivery) -> Option<String> {
    let secret = ChannelSecret::parse(&account.channel_secret).ok()?;
    Some(sign(&secret, delivery.body.as_bytes()))
}

fn move_event(event: &mut Value, by: TimeDelta) {
    if let Some(timestamp) = event["timestamp"].as_i64() {
        event["timestamp"] = timestamp.saturating_add(by.num_milliseconds()).into();
    }
    let id = event["webhookEventId"].as_str().and_then(|id| Ulid::from_string(id).ok());
    if let Some(id) = id {
        let moved = i64::try_from(id.timestamp_ms()).unwrap_or(0).saturating_add(by.num_milliseconds());
        event["webhookEventId"] = Ulid::from_parts(u64::try_from(moved).unwrap_or(0), id.random()).to_string().into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::SALON_DAY;
    use super::*;

    fn events(recording: &Recording) -> Vec<Value> {
        let bodies = recording.deliveries.iter().map(|d| serde_json::from_str::<Value>(&d.body).unwrap());
        bodies.flat_map(|body| body["events"].as_array().unwrap().clone()).collect()
    }

    #[test]
    fn a_day_moved_keeps_its_gaps_and_its_ids_apart_and_is_signed() {
        let day = Recording::read(SALON_DAY).unwrap();
        let start = day.deliveries[0].at + TimeDelta::days(1_000);
        let moved = day.clone().beginning(start);
        assert_eq!(moved.deliveries[0].at, start);
        for ((before, after), delivery) in events(&day).iter().zip(events(&moved)).zip(&moved.deliveries) {
            let millis = |event: &Value| event["timestamp"].as_i64().unwrap();
            assert_eq!(millis(&after) - millis(before), TimeDelta::days(1_000).num_milliseconds());
            let id = Ulid::from_string(after["webhookEventId"].as_str().unwrap()).unwrap();
            assert_eq!(i64::try_from(id.timestamp_ms()).unwrap(), millis(&after));
            assert_eq!(Some(&delivery.signature), signature(moved.account_of(delivery).unwrap(), delivery).as_ref());
        }
        let mut ids: Vec<Value> = events(&moved).iter().map(|event| event["webhookEventId"].clone()).collect();
        let all = ids.len();
        ids.sort_by_key(Value::to_string);
        ids.dedup();
        assert_eq!(ids.len(), all);
    }

    #[test]
    fn a_day_addressed_to_another_bot_is_signed_with_its_secret() {
        let day = Recording::read(SALON_DAY).unwrap();
        let bot = UserId::from("U0123456789abcdef0123456789abcdef");
        let other = day.clone().addressed_to(&bot, "another");
        assert_eq!(other.deliveries.len(), day.deliveries.len());
        for (before, after) in day.deliveries.iter().zip(&other.deliveries) {
            let body: Value = serde_json::from_str(&after.body).unwrap();
            assert_eq!(body["destination"], json!(bot));
            assert_ne!(before.signature, after.signature);
            let signed = sign(&ChannelSecret::parse("another").unwrap(), after.body.as_bytes());
            assert_eq!(signed, after.signature);
        }
    }
}
