//! What changes something at LINE is on record before LINE is asked, and what came of it after.

use contracts::messaging::v1 as wire;
use line_simulator::{Effect, Fault, PersonSpec};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::world::{SOON, World};

const SET: &str = "PUT /v2/bot/channel/webhook/endpoint";

/// Actions and outcomes in their order.
async fn records(world: &World) -> Vec<(String, String)> {
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    sqlx::query_as(
        "SELECT action, detail->>'outcome' FROM messaging.audit
         WHERE action IN ('account.set_webhook_endpoint', 'account.issue_link_token') ORDER BY audit_id",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_webhook_address_and_a_link_token_are_on_record_before_line_is_asked_and_after() {
    let world = World::new("records").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (set, issue) = ("account.set_webhook_endpoint", "account.issue_link_token");
    let row = |action: &str, outcome: &str| (action.to_owned(), outcome.to_owned());
    let account_id = tenant.account.to_string();
    let endpoint = "https://example.com/hook".to_owned();
    let request = wire::SetWebhookEndpointRequest { account_id: account_id.clone(), endpoint };

    world.control.add_fault(&Fault::times(Effect::Latency { ms: 3_000 }, 1).at(SET)).await.unwrap();
    let mut gateway = house.gateway(&tenant);
    let setting = tokio::spawn({
        let request = request.clone();
        async move { gateway.set_webhook_endpoint(request).await }
    });
    eventually(SOON, || async {
        let records = records(&world).await;
        if records.is_empty() { Err(records) } else { Ok(records) }
    })
    .await
    .map(|records| assert_eq!(records, [row(set, "asked")]))
    .unwrap();
    setting.await.unwrap().unwrap();
    assert_eq!(records(&world).await, [row(set, "asked"), row(set, "accepted")]);

    world.control.add_fault(&Fault::times(Effect::AcceptedAnswerLost, 1).at(SET)).await.unwrap();
    house.gateway(&tenant).set_webhook_endpoint(request).await.unwrap_err();
    assert_eq!(records(&world).await[2..], [row(set, "asked"), row(set, "unknown")]);

    let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
    world.control.add_friend(&tenant.card.channel_id, &person).await.unwrap();
    let line_user_id = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap().as_str().to_owned();
    let request = wire::IssueLinkTokenRequest { account_id: account_id.clone(), line_user_id: line_user_id.clone() };
    house.gateway(&tenant).issue_link_token(request).await.unwrap();
    assert_eq!(records(&world).await[4..], [row(issue, "asked"), row(issue, "accepted")]);
    assert!(!world.tables_that_say(&line_user_id).await.contains(&"audit".to_owned()));
    let request = wire::IssueLinkTokenRequest { account_id, line_user_id: format!("U{:032x}", 7) };
    let stranger = house.gateway(&tenant).issue_link_token(request).await.unwrap_err();
    let reason = stranger.get_details_error_info().unwrap().reason;
    assert_eq!((stranger.code(), &*reason), (Code::FailedPrecondition, "LINE_REFUSED"));
    assert_eq!(records(&world).await[6..], [row(issue, "asked"), row(issue, "refused")]);
    house.close().await;
}
