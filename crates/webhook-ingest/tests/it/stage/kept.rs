//! What is in the archive and in the stream, as seen from outside.

use async_nats::jetstream;
use chassis::envelope::Ring;
use contracts::events::v1::LineWebhookEvent;
use prost::Message;
use testkit::eventually;
use uuid::Uuid;

use super::{SOON, Stage, UNPUBLISHED, masters};

impl Stage {
    /// What is kept of the account's tenant in a table of bodies, decrypted, in the order of their IDs.
    pub(crate) async fn kept(&self, table: &str) -> Vec<Vec<u8>> {
        let (ring, tenant) = (self.ring().await, self.account.tenant);
        let text = format!("SELECT body_id, payload FROM ingest.{table} WHERE tenant_id = $1 ORDER BY body_id");
        let rows: Vec<(Uuid, Vec<u8>)> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(tenant.uuid())
            .fetch_all(&mut self.admin().await)
            .await
            .unwrap();
        rows.into_iter().map(|(body, sealed)| ring.decrypt(tenant, &format!("body/{body}"), &sealed).unwrap()).collect()
    }

    /// Encrypts a body anew whose ID a test has changed.
    pub(crate) async fn renamed(&self, before: Uuid, after: Uuid) {
        let (ring, tenant, mut admin) = (self.ring().await, self.account.tenant, self.admin().await);
        let read = sqlx::query_scalar("SELECT payload FROM ingest.body WHERE body_id = $1").bind(after);
        let sealed: Vec<u8> = read.fetch_one(&mut admin).await.unwrap();
        let payload = ring.decrypt(tenant, &format!("body/{before}"), &sealed).unwrap();
        let sealed = ring.encrypt(tenant, &format!("body/{after}"), &payload).unwrap();
        let write = sqlx::query("UPDATE ingest.body SET payload = $1 WHERE body_id = $2").bind(sealed).bind(after);
        write.execute(&mut admin).await.unwrap();
    }

    /// Keeps this in the place of the tenant's only body, as a body that something was cut out of.
    pub(crate) async fn redacted(&self, payload: &[u8]) {
        let (ring, mut admin) = (self.ring().await, self.admin().await);
        let body: Uuid = sqlx::query_scalar("SELECT body_id FROM ingest.body").fetch_one(&mut admin).await.unwrap();
        let sealed = ring.encrypt(self.account.tenant, &format!("body/{body}"), payload).unwrap();
        let write = sqlx::query("UPDATE ingest.body SET payload = $1, redacted_at = now()").bind(sealed);
        write.execute(&mut admin).await.unwrap();
    }

    /// The data keys of the account's tenant.
    async fn ring(&self) -> Ring {
        let ring = Ring::new(masters());
        ring.learn(&self.ingest().await, &[self.account.tenant]).await.unwrap();
        ring
    }

    /// JetStream, as seen from outside.
    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(async_nats::connect(&self.nats_url).await.unwrap())
    }

    /// Every message the stream of webhooks holds, in its order.
    pub(crate) async fn published(&self) -> Vec<(jetstream::message::StreamMessage, LineWebhookEvent)> {
        let jetstream = self.jetstream().await;
        let Ok(mut stream) = jetstream.get_stream(format!("{}_LINE_WEBHOOK", self.prefix)).await else {
            return Vec::new();
        };
        let state = stream.info().await.unwrap().state.clone();
        let mut messages = Vec::new();
        if state.messages == 0 {
            return messages;
        }
        for sequence in state.first_sequence..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            let event = LineWebhookEvent::decode(message.payload.clone()).unwrap();
            messages.push((message, event));
        }
        messages
    }

    /// Waits until exactly these events are published, in any order, and nothing is left to publish.
    pub(crate) async fn eventually_published(&self, ids: &[String]) {
        let mut expected = ids.to_vec();
        expected.sort();
        eventually(SOON, || async {
            let mut ids: Vec<String> =
                self.published().await.into_iter().map(|(_, event)| event.webhook_event_id).collect();
            ids.sort();
            let left = self.count(UNPUBLISHED).await;
            if ids == expected && left == 0 {
                Ok(())
            } else {
                Err(format!("{} events, {left} commits left", ids.len()))
            }
        })
        .await
        .unwrap();
    }
}
