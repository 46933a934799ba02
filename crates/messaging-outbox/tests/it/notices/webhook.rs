//! Notices by webhook.

use std::os::unix::process::ExitStatusExt as _;

use contracts::messaging::v1 as wire;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tonic::Code;
use wire::{NoticeChannel, NoticeFailure, NoticeState};

use super::endpoint::Endpoint;
use super::place::{Office, friends_come, settled, until_heard};
use crate::house::House;
use crate::killing::launch;
use crate::world::{SOON, Tenant, World};

async fn set(house: &House, tenant: &Tenant, url: String) -> String {
    let set = house.notices(tenant).set_notice_webhook(wire::SetNoticeWebhookRequest { url }).await;
    set.unwrap().into_inner().secret
}

async fn endpoint_of(house: &House, tenant: &Tenant) -> Option<wire::NoticeWebhook> {
    let settings = house.notices(tenant).get_notice_settings(wire::GetNoticeSettingsRequest {}).await.unwrap();
    settings.into_inner().notice_settings.unwrap().webhook
}

#[tokio::test]
async fn an_endpoint_is_called_signed_until_it_takes_the_notice_and_by_both_secrets_after_a_rotation() {
    let world = World::new("notice_webhook").await;
    let endpoint = Endpoint::start(&[503, 0, 204]).await;
    let house = world.open_with(|config| config.egress = endpoint.egress("127.0.0.1")).await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let member = office.member(&world, &tenant, office.branch, true).await;
    let secret = set(&house, &tenant, endpoint.url()).await;
    assert_eq!(world.tables_that_say(&secret).await, Vec::<String>::new(), "the secret stands nowhere in clear");

    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Webhook, 1).await;
    assert_eq!(standing, [(NoticeState::Delivered, NoticeFailure::Unspecified, 3)]);
    let calls = endpoint.calls();
    assert_eq!(calls.len(), 3);
    for call in &calls {
        assert_eq!(call.signed_by(&secret), (1, 1));
        let body: Value = serde_json::from_str(&call.body).unwrap();
        assert_eq!(Some(call.headers["idempotency-key"].as_str()), body["notice_id"].as_str());
        assert_eq!(call.body, calls[0].body, "the same however often it is posted");
        assert_eq!(
            (body["kind"].as_str(), body["staff_id"].as_str()),
            (Some("FRIEND_ADDED"), Some(member.id.to_string().as_str()))
        );
        assert!(!call.body.contains(&member.line_user));
    }

    let rotated = house.notices(&tenant).rotate_notice_webhook_secret(wire::RotateNoticeWebhookSecretRequest {}).await;
    let rotated = rotated.unwrap().into_inner().secret;
    friends_come(&world, &tenant, &office, 1).await;
    settled(&house, &tenant, NoticeChannel::Webhook, 2).await;
    let last = endpoint.calls().pop().unwrap();
    assert_eq!((last.signed_by(&secret), last.signed_by(&rotated)), ((1, 2), (1, 2)));
    world.admin("UPDATE messaging.notice_webhook SET former_until = now() - interval '1 second'").await;
    friends_come(&world, &tenant, &office, 1).await;
    settled(&house, &tenant, NoticeChannel::Webhook, 3).await;
    let last = endpoint.calls().pop().unwrap();
    assert_eq!((last.signed_by(&secret), last.signed_by(&rotated)), ((0, 1), (1, 1)));
    house.close().await;
}

#[tokio::test]
async fn an_endpoint_that_wants_no_more_is_called_no_more_until_it_is_set_again() {
    let world = World::new("notice_gone").await;
    let endpoint = Endpoint::start(&[410, 404, 200]).await;
    let house = world.open_with(|config| config.egress = endpoint.egress("127.0.0.1")).await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    set(&house, &tenant, endpoint.url()).await;

    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Webhook, 1).await;
    assert_eq!(standing, [(NoticeState::Failed, NoticeFailure::Gone, 1)]);
    assert!(endpoint_of(&house, &tenant).await.unwrap().stop_time.is_some());
    friends_come(&world, &tenant, &office, 1).await;
    until_heard(&world, &house, &tenant).await;
    settled(&house, &tenant, NoticeChannel::Webhook, 1).await;
    assert_eq!(endpoint.calls().len(), 1);

    set(&house, &tenant, endpoint.url()).await;
    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Webhook, 2).await;
    assert_eq!(
        standing[0],
        (NoticeState::Failed, NoticeFailure::Refused, 1),
        "404: another call would be refused likewise"
    );
    house.notices(&tenant).delete_notice_webhook(wire::DeleteNoticeWebhookRequest {}).await.unwrap();
    assert_eq!(endpoint_of(&house, &tenant).await, None);
    friends_come(&world, &tenant, &office, 1).await;
    until_heard(&world, &house, &tenant).await;
    assert_eq!(endpoint.calls().len(), 2);
    house.close().await;
}

#[tokio::test]
async fn an_endpoint_that_is_deleted_while_its_secret_is_rotated_stays_deleted() {
    let world = World::new("notice_deleted").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    set(&house, &tenant, "https://hooks.shop.example/notices".to_owned()).await;
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let mut holding = admin.begin().await.unwrap();
    sqlx::query("SELECT FROM messaging.notice_webhook FOR UPDATE").execute(&mut *holding).await.unwrap();
    let mut client = house.notices(&tenant);
    let delete = tokio::spawn(async move { client.delete_notice_webhook(wire::DeleteNoticeWebhookRequest {}).await });
    world.until_locked_out(1).await;
    let mut client = house.notices(&tenant);
    let request = wire::RotateNoticeWebhookSecretRequest {};
    let rotate = tokio::spawn(async move { client.rotate_notice_webhook_secret(request).await });
    world.until_locked_out(2).await;
    holding.commit().await.unwrap();
    delete.await.unwrap().unwrap();
    assert_eq!(rotate.await.unwrap().unwrap_err().code(), Code::NotFound);
    assert_eq!(endpoint_of(&house, &tenant).await, None);
    house.close().await;
}

#[tokio::test]
async fn an_endpoint_inside_is_not_called_by_address_nor_by_name() {
    let world = World::new("notice_inside").await;
    let endpoint = Endpoint::start(&[200]).await;
    let house = world.open_with(|config| config.egress = endpoint.egress("")).await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    for url in [endpoint.url(), endpoint.url().replace("https", "http"), "https://[::1]/".to_owned(), String::new()] {
        let refused =
            house.notices(&tenant).set_notice_webhook(wire::SetNoticeWebhookRequest { url: url.clone() }).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{url}");
        assert!(refused.message().contains("url "), "{url}: {refused}");
        assert!(url.is_empty() || !refused.message().contains(&url), "{url}");
    }
    set(&house, &tenant, endpoint.url_by_name()).await;
    friends_come(&world, &tenant, &office, 1).await;
    let standing = settled(&house, &tenant, NoticeChannel::Webhook, 1).await;
    assert_eq!(standing, [(NoticeState::Failed, NoticeFailure::Refused, 1)]);
    assert_eq!(endpoint.calls().len(), 0);
    house.close().await;
}

#[tokio::test]
async fn a_process_killed_behind_a_call_repeats_it_under_the_same_key_and_no_other() {
    let world = World::new("notice_webhook_killed").await;
    let endpoint = Endpoint::start(&[200]).await;
    let egress = endpoint.egress("127.0.0.1");
    let house = world.open_with(|config| config.egress = egress.clone()).await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    set(&house, &tenant, endpoint.url()).await;
    house.close().await;

    let killed = launch(&world, testkit::port::free(), "messaging.after_notice_webhook=kill@2")
        .env("TSUNAGI_EGRESS_ALLOW", "127.0.0.1")
        .env("TSUNAGI_EGRESS_AUTHORITY", &endpoint.authority);
    let mut killed = killed.start().unwrap();
    friends_come(&world, &tenant, &office, 3).await;
    let status = killed.exit(SOON).await.unwrap();
    assert_eq!(status.signal(), Some(9), "{:?}", killed.lines());

    world.admin("UPDATE messaging.notice_webhook_job SET due = now()").await;
    let house = world.open_with(|config| config.egress = egress).await;
    let standing = eventually(SOON, || async {
        let done = world.number("SELECT count(*) FROM messaging.notice_delivery WHERE channel = 3 AND state = 2").await;
        if done == 3 { Ok(()) } else { Err(done) }
    });
    standing.await.unwrap();
    let mut keys: Vec<String> = endpoint.calls().iter().map(|call| call.headers["idempotency-key"].clone()).collect();
    let calls = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3, "no other key");
    assert!((4..=6).contains(&calls), "{calls} calls: at least one was repeated, and each but once");
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice_webhook_job").await, 0);
    house.close().await;
}
