//! Forwarding: a target of the first tenant's, and the calls that name it.

use anyhow::Context as _;
use contracts::ingest::v1::forwarding_service_client::ForwardingServiceClient;
use contracts::ingest::v1::{CreateForwardingTargetRequest, ForwardingTarget};
use serde_json::{Value, json};
use tsunagi::stage::{Shop, Stage};

use super::Must::{self, NotFind, ShowNothing};
use super::World;

/// Makes a target at a name that leads nowhere; its ID.
pub(super) async fn target(stage: &Stage, shop: &Shop) -> anyhow::Result<String> {
    let target = ForwardingTarget {
        account_id: shop.account.to_string(),
        url: "https://hooks.example/line".to_owned(),
        display_name: "予約システム".to_owned(),
        ..Default::default()
    };
    let request = CreateForwardingTargetRequest { forwarding_target: Some(target), request_id: String::new() };
    let mut forwarding = ForwardingServiceClient::new(shop.staff.connect(&stage.ingest)?);
    let made = forwarding.create_forwarding_target(request).await?.into_inner();
    Ok(made.forwarding_target.context("no target")?.target_id)
}

pub(super) fn bodies(world: &World) -> Vec<(&'static str, Must, Value)> {
    let World { account, forwarding_target, .. } = world;
    let named = json!({ "targetId": forwarding_target });
    vec![
        (
            "/tsunagi.ingest.v1.ForwardingService/CreateForwardingTarget",
            NotFind,
            json!({ "forwardingTarget": { "accountId": account, "url": "https://hooks.example/", "displayName": "x" } }),
        ),
        ("/tsunagi.ingest.v1.ForwardingService/GetForwardingTarget", NotFind, named.clone()),
        ("/tsunagi.ingest.v1.ForwardingService/ListForwardingTargets", ShowNothing, json!({})),
        ("/tsunagi.ingest.v1.ForwardingService/ListForwardingTargets", NotFind, json!({ "accountId": account })),
        (
            "/tsunagi.ingest.v1.ForwardingService/UpdateForwardingTarget",
            NotFind,
            json!({ "forwardingTarget": { "targetId": forwarding_target, "displayName": "y" } }),
        ),
        ("/tsunagi.ingest.v1.ForwardingService/PauseForwardingTarget", NotFind, named.clone()),
        ("/tsunagi.ingest.v1.ForwardingService/ResumeForwardingTarget", NotFind, named.clone()),
        ("/tsunagi.ingest.v1.ForwardingService/DeleteForwardingTarget", NotFind, named),
    ]
}
