//! What stands where webhook-ingest stands: takes LINE's webhooks over HTTP and publishes their events.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use bus::publish::{Again, Outbound, Publisher};
use bus::subject::Subject;
use chrono::Utc;
use contracts::events::v1::LineWebhookEvent;
use kernel::{AccountId, Clock as _, EventHeader, SystemClock, TenantId, Timestamp};
use line_types::webhook::Envelope;
use prost::Message as _;
use tokio::net::TcpListener;
use uuid::Uuid;

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) publisher: Publisher,
    pub(crate) tenant: TenantId,
    pub(crate) account: AccountId,
}

impl Receiver {
    /// Listens on loopback and tells the address of the webhook.
    pub(crate) async fn listen(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhook", listener.local_addr().unwrap());
        let router = Router::new().route("/webhook", post(take)).with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// Publishes one event as webhook-ingest would.
    pub(crate) async fn publish(&self, raw: &str, redelivery: bool, effects_off: bool) {
        self.publish_body(&self.body(raw, redelivery, effects_off)).await;
    }

    /// Publishes an event once more as webhook-ingest would in that rebuild.
    pub(crate) async fn publish_copy(&self, raw: &str, rebuild: Uuid) {
        let outbound = self.outbound(&self.body(raw, false, true));
        self.publisher.publish_again(&outbound, Again::Rebuild(rebuild)).await.unwrap().await.unwrap();
    }

    fn body(&self, raw: &str, redelivery: bool, effects_off: bool) -> LineWebhookEvent {
        let event = line_types::webhook::Event::parse(raw).unwrap();
        let occur_time = chrono::DateTime::<Utc>::from_timestamp_millis(event.timestamp).unwrap();
        let id = event.webhook_event_id.as_ref().map(|id| id.as_str().to_owned()).unwrap();
        LineWebhookEvent {
            account_id: self.account.to_string(),
            webhook_event_id: id,
            event_type: event.event_type.clone(),
            occur_time: Some(contracts::timestamp(occur_time)),
            receive_time: Some(contracts::timestamp(now())),
            redelivery,
            raw: raw.to_owned().into_bytes().into(),
            body_id: String::new(),
            effects_off,
        }
    }

    /// Publishes what webhook-ingest would not.
    pub(crate) async fn publish_body(&self, body: &LineWebhookEvent) {
        self.publisher.publish(&self.outbound(body)).await.unwrap().await.unwrap();
    }

    fn outbound(&self, body: &LineWebhookEvent) -> Outbound {
        let subject = Subject::line_webhook(self.tenant, self.account, &body.event_type).unwrap();
        let header = EventHeader {
            id: body.webhook_event_id.clone(),
            kind: "tsunagi.events.v1.LineWebhookEvent".to_owned(),
            source: "webhook-ingest".to_owned(),
            time: now(),
            tenant: Some(self.tenant),
            trace: None,
        };
        Outbound { subject, header, payload: body.encode_to_vec().into() }
    }
}

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

async fn take(State(receiver): State<Receiver>, body: Bytes) {
    for event in Envelope::parse(&body).unwrap().events {
        receiver.publish(event.raw.get(), false, false).await;
    }
}
