//! What LINE sent, as its books say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use line_simulator::{BooksQuery, Webhook};
use line_types::id::WebhookEventId;
use serde_json::Value;
use tsunagi::stage::{Shop, Stage};
use uuid::Uuid;

/// A message: who wrote it, LINE's ID of it and what it says.
pub(super) type Said = (String, String, String);

/// The books of one account, read as far as they went the last time.
#[derive(Debug, Default)]
pub(super) struct Books {
    read: u64,
    /// Every event, and the message it brought or took back.
    events: BTreeMap<Uuid, Option<String>>,
    said: BTreeMap<String, Said>,
    taken_back: BTreeSet<String>,
}

impl Books {
    /// Reads on.
    pub(super) async fn read(&mut self, stage: &Stage, shop: &Shop) -> anyhow::Result<()> {
        let account = Some(shop.card.channel_id.clone());
        let query = BooksQuery { account, after: Some(self.read), ..BooksQuery::default() };
        stage.line.webhooks(&query).await?.iter().try_for_each(|webhook| self.enter(webhook))
    }

    fn enter(&mut self, webhook: &Webhook) -> anyhow::Result<()> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let event = &webhook.event;
        let id = as_kept(&webhook.webhook_event_id).context("an event without an ID")?;
        let message = match event["type"].as_str() {
            Some("message") => {
                let id = text(&event["message"]["id"]).context("a message without an ID")?;
                let user = text(&event["source"]["userId"]).context("a message of nobody")?;
                self.said.insert(id.clone(), (user, id.clone(), text(&event["message"]["text"]).unwrap_or_default()));
                Some(id)
            }
            Some("unsend") => {
                let id = text(&event["unsend"]["messageId"]).context("an unsend of nothing")?;
                self.taken_back.insert(id);
                None
            }
            _ => None,
        };
        self.events.insert(id, message);
        self.read = self.read.max(webhook.number);
        Ok(())
    }

    /// Every event.
    pub(super) fn events(&self) -> BTreeSet<Uuid> {
        self.events.keys().copied().collect()
    }

    /// Every event that nobody may miss: what was taken back may have been cut out before anybody was told.
    pub(super) fn lasting(&self) -> BTreeSet<Uuid> {
        let lasts = |message: &Option<String>| message.as_ref().is_none_or(|id| !self.taken_back.contains(id));
        self.events.iter().filter(|(_, message)| lasts(message)).map(|(event, _)| *event).collect()
    }

    /// What was said and stands.
    pub(super) fn said(&self) -> BTreeSet<Said> {
        self.said.iter().filter(|(id, _)| !self.taken_back.contains(*id)).map(|(_, said)| said.clone()).collect()
    }
}

/// An event's ID as the archive keeps it.
pub(super) fn as_kept(webhook_event_id: &str) -> Option<Uuid> {
    WebhookEventId::parse(webhook_event_id).ok().map(|id| Uuid::from_u128(id.ulid().0))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;
    use ulid::Ulid;

    use super::*;

    /// The nth event.
    pub(in super::super) fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn message(user: &str, id: &str, text: &str) -> Value {
        json!({"type": "message", "source": {"userId": user}, "message": {"id": id, "type": "text", "text": text}})
    }

    /// Two messages, a third, and the third taken back.
    pub(in super::super) fn books() -> Books {
        let unsend = json!({"type": "unsend", "source": {"userId": "U1"}, "unsend": {"messageId": "m3"}});
        let sent = [message("U1", "m1", "one"), message("U2", "m2", "two"), message("U1", "m3", "three"), unsend];
        let mut books = Books::default();
        for (number, event) in (1..).zip(sent) {
            let webhook = Webhook {
                number,
                account: "1234567890".into(),
                webhook_event_id: Ulid(number.into()).to_string(),
                event,
                attempts: Vec::new(),
                acknowledged: true,
            };
            books.enter(&webhook).unwrap();
        }
        books
    }

    #[test]
    fn what_was_taken_back_is_no_more_said_and_may_be_missed() {
        let books = books();
        assert_eq!(books.events(), (1..=4).map(id).collect());
        assert_eq!(books.lasting(), [1, 2, 4].map(id).into());
        assert_eq!(books.said().into_iter().map(|(_, message, _)| message).collect::<Vec<_>>(), ["m1", "m2"]);
        assert_eq!(books.read, 4);
    }
}
