//! What LINE sent the first tenant, and what is erased of it.

use std::time::Duration;

use contracts::ingest::v1::archive_service_client::ArchiveServiceClient;
use contracts::ingest::v1::erasure_service_client::ErasureServiceClient;
use contracts::ingest::v1::{EraseLineUserRequest, GetWebhookEventRequest};
use serde_json::{Value, json};
use tsunagi::stage::{Shop, Stage, until};

use super::Must::{self, NotFind, ShowNothing};
use super::World;

/// How long a webhook may take into the archive.
const KEPT_WITHIN: Duration = Duration::from_secs(20);

/// A body, and an erasure.
#[derive(Clone, Debug, Default)]
pub(super) struct Archive {
    body: String,
    erasure: String,
}

impl Archive {
    /// The body of this event, and the erasure of somebody who never wrote.
    pub(super) async fn fill(stage: &Stage, shop: &Shop, webhook_event: &str) -> anyhow::Result<Self> {
        let mut archive = ArchiveServiceClient::new(shop.staff.connect(&stage.ingest)?);
        let ask = GetWebhookEventRequest { webhook_event_id: webhook_event.to_owned() };
        let event = until(KEPT_WITHIN, async || archive.get_webhook_event(ask.clone()).await).await?;
        let mut erasures = ErasureServiceClient::new(shop.staff.connect(&stage.ingest)?);
        let line_user_id = "Ucccccccccccccccccccccccccccccccc".to_owned();
        let erasure = erasures.erase_line_user(EraseLineUserRequest { line_user_id, ..Default::default() }).await?;
        Ok(Self {
            body: event.into_inner().event.unwrap_or_default().body_id,
            erasure: erasure.into_inner().erasure.unwrap_or_default().erasure_id,
        })
    }

    pub(super) fn ids(&self) -> [&str; 2] {
        [&self.body, &self.erasure]
    }
}

pub(super) fn bodies(world: &World) -> Vec<(&'static str, Must, Value)> {
    let World { account, webhook_event, line_user, archive: Archive { body, erasure }, .. } = world;
    let span = json!({ "accountId": account, "startTime": "2026-01-01T00:00:00Z", "endTime": "2026-12-31T00:00:00Z" });
    vec![
        ("/tsunagi.ingest.v1.ArchiveService/GetWebhookEvent", NotFind, json!({ "webhookEventId": webhook_event })),
        ("/tsunagi.ingest.v1.ArchiveService/ListWebhookEvents", NotFind, json!({ "accountId": account })),
        ("/tsunagi.ingest.v1.ArchiveService/CountWebhookEvents", NotFind, span),
        ("/tsunagi.ingest.v1.ArchiveService/GetWebhookBody", NotFind, json!({ "bodyId": body })),
        ("/tsunagi.ingest.v1.ArchiveService/ListFindings", NotFind, json!({ "accountId": account })),
        // It erases what the caller's own tenant has of them, and says nothing of who has more.
        ("/tsunagi.ingest.v1.ErasureService/EraseLineUser", ShowNothing, json!({ "lineUserId": line_user })),
        ("/tsunagi.ingest.v1.ErasureService/GetErasure", NotFind, json!({ "erasureId": erasure })),
        ("/tsunagi.ingest.v1.ErasureService/ListErasures", ShowNothing, json!({})),
        ("/tsunagi.ingest.v1.RetentionService/GetRetention", ShowNothing, json!({})),
        (
            "/tsunagi.ingest.v1.RetentionService/UpdateRetention",
            ShowNothing,
            json!({ "retention": { "bodyDays": 30 } }),
        ),
    ]
}
