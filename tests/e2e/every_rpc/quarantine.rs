//! A webhook of the first tenant's that is quarantined, and the methods that reach it.

use std::time::Duration;

use anyhow::Context;
use contracts::ingest::v1::ListQuarantinedBodiesRequest;
use contracts::ingest::v1::quarantine_service_client::QuarantineServiceClient;
use line_types::signature::{ChannelSecret, sign};
use serde_json::{Value, json};
use tsunagi::stage::{Shop, Stage, until};

use super::Must::{self, NotFind};
use super::World;

/// Has the account's channel send webhooks for another bot until one is quarantined; tells the body's ID. Until webhook-ingest
/// has heard which bot the account was connected to, any will do for it, and nothing tells that from outside.
pub(super) async fn body(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let foreign = r#"{"destination":"U00000000000000000000000000000000","events":[]}"#;
    let signature = sign(&ChannelSecret::parse(&shop.card.channel_secret)?, foreign.as_bytes());
    let (url, http) = (stage.webhook_url(&shop.webhook_key), reqwest::Client::new());
    let quarantine = QuarantineServiceClient::new(shop.staff.connect(&stage.ingest)?);
    let listed = until(Duration::from_mins(1), async || {
        let post = http.post(&url).body(foreign).header("x-line-signature", &signature).send().await;
        post.and_then(reqwest::Response::error_for_status).map_err(|problem| problem.to_string())?;
        let all = ListQuarantinedBodiesRequest::default();
        let listed = quarantine.clone().list_quarantined_bodies(all).await.map_err(|status| status.to_string())?;
        listed.into_inner().bodies.into_iter().next().ok_or_else(|| "nothing is quarantined".to_owned())
    });
    Ok(listed.await.context("the quarantined body")?.body_id)
}

pub(super) fn bodies(world: &World) -> Vec<(&'static str, Must, Value)> {
    let World { account, quarantined_body, .. } = world;
    let body = || json!({ "bodyId": quarantined_body });
    vec![
        ("/tsunagi.ingest.v1.QuarantineService/ListQuarantinedBodies", NotFind, json!({ "accountId": account })),
        ("/tsunagi.ingest.v1.QuarantineService/GetQuarantinedBody", NotFind, body()),
        ("/tsunagi.ingest.v1.QuarantineService/ReleaseQuarantinedBody", NotFind, body()),
        ("/tsunagi.ingest.v1.QuarantineService/DropQuarantinedBody", NotFind, body()),
    ]
}
