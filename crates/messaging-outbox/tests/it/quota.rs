//! The month's quota and suspended tenants: what waits is shown with its reason, and goes when it may.

use std::time::Duration;

use contracts::events::v1::TenantReplica;
use contracts::events::v1::identity_event::Body;
use contracts::messaging::v1 as wire;
use line_simulator::{AccountSettings, Effect, Fault};
use messaging_outbox_core::quota::QuotaWaits;
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use tonic_types::StatusExt as _;

use crate::house::House;
use crate::world::{SOON, Tenant, World, send_request, text};

const PUSH: &str = "POST /v2/bot/message/push";

async fn queue(house: &House, tenant: &Tenant, conversation: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(house.send(tenant, conversation, &format!("waits {number}"), wire::SendPolicy::PushOnly).await);
    }
    ids
}

#[tokio::test]
async fn a_used_up_quota_is_shown_asked_about_once_and_pushes_go_when_the_month_turns() {
    let world = World::new("used_up").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let three = AccountSettings { quota: Some(Some(3)), ..Default::default() };
    world.control.change_account(account, &three).await.unwrap();
    for number in 0..3 {
        let text = format!("paid {number}");
        let sent = house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::PushOnly).await;
        house.until(&tenant, &sent, MessageState::Accepted).await;
    }
    let first = queue(&house, &tenant, &conversation.conversation_id, 1).await;
    let short = house.until(&tenant, &first[0], MessageState::WaitingForQuota).await.failure.unwrap();
    assert_eq!((short.kind, short.http_status), (wire::FailureKind::QuotaUsedUp as i32, 429));
    assert!(short.line_message.contains("monthly limit") && !short.line_request_id.is_empty(), "{short:?}");
    // Another conversation's push waits without a call of its own.
    let other = world.friend(&tenant).await;
    world.control.write_text(account, &other, "and me?").await.unwrap();
    let others = eventually(SOON, || async {
        let all = house.list(&tenant).await;
        all.into_iter().find(|one| one.conversation_id != conversation.conversation_id).ok_or("not there")
    });
    let others = others.await.unwrap();
    let second = queue(&house, &tenant, &others.conversation_id, 2).await;
    let without_call = house.until(&tenant, &second[0], MessageState::WaitingForQuota).await.failure.unwrap();
    assert_eq!(without_call.kind, wire::FailureKind::QuotaUsedUp as i32);
    assert_eq!(world.asked(PUSH).await, 4, "three that went and one that was refused");
    let figures = wire::GetQuotaRequest { account_id: tenant.account.to_string() };
    let figures = house.quota(&tenant).get_quota(figures).await.unwrap().into_inner();
    assert_eq!((figures.sent_by_push, figures.limit, figures.used), (3, 3, 3), "{figures:?}");
    let request =
        wire::ListOutboundMessagesRequest { state: wire::MessageState::WaitingForQuota.into(), ..Default::default() };
    let listed = house.messages(&tenant).list_outbound_messages(request).await.unwrap().into_inner().messages;
    assert!(listed.iter().any(|message| text(message) == "waits 0"));
    house.close().await;

    // The month turns at LINE, and the wait ends.
    world.control.advance(chrono::TimeDelta::days(32)).await.unwrap();
    let nine = AccountSettings { quota: Some(Some(9)), ..Default::default() };
    world.control.change_account(account, &nine).await.unwrap();
    world.admin("UPDATE messaging.send SET due = now()").await;
    let house = world.open().await;
    for id in first.iter().chain(&second) {
        let sent = house.until(&tenant, id, MessageState::Accepted).await;
        assert_eq!(sent.failure, None, "the reason is over");
    }
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, 6);
    house.close().await;
}

#[tokio::test]
async fn a_reserved_quota_is_shown_as_such_and_pushes_go_when_the_reservation_ends() {
    let world = World::new("reserved").await;
    let soon = QuotaWaits { reserved: Duration::from_secs(1), ..QuotaWaits::default() };
    let house = world.open_with(|config| config.sender.quota_waits = soon).await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let held = AccountSettings { quota: Some(Some(10)), reserved: Some(10), ..Default::default() };
    world.control.change_account(account, &held).await.unwrap();
    let ids = queue(&house, &tenant, &conversation.conversation_id, 2).await;
    let short = house.once(&tenant, &ids[0], |message| message.failure.is_some()).await.failure.unwrap();
    assert_eq!((short.kind, short.http_status), (wire::FailureKind::QuotaReserved as i32, 429));
    let free = AccountSettings { reserved: Some(0), ..Default::default() };
    world.control.change_account(account, &free).await.unwrap();
    for id in &ids {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    assert!(world.line.duplicates().is_empty());
    house.close().await;
}

#[tokio::test]
async fn nothing_is_sent_for_a_suspended_tenant_nothing_is_lost_and_it_goes_on_afterwards() {
    let world = World::new("suspended").await;
    let house = world.open().await;
    let (tenant, other) = (world.tenant(&house).await, world.tenant(&house).await);
    let account = &tenant.card.channel_id;
    let (person, conversation) = house.conversing(&world, &tenant).await;
    let limit = Fault::always(Effect::RateLimited).at(PUSH).of(account);
    let limit = world.control.add_fault(&limit).await.unwrap();
    let ids = queue(&house, &tenant, &conversation.conversation_id, 3).await;
    house.once(&tenant, &ids[0], |message| message.state == wire::MessageState::Sending as i32).await;
    let say = |version, suspended| {
        let (tenant_id, time_zone) = (tenant.id.to_string(), "Asia/Tokyo".to_owned());
        Body::Tenant(TenantReplica { tenant_id, version, time_zone, suspended, ..Default::default() })
    };
    world.say(&tenant, say(2, true)).await;
    eventually(SOON, || async {
        let now = house.list(&tenant).await.remove(0).cannot_send_reason;
        let held = "SELECT count(*) FROM messaging.send WHERE state = 1";
        let held = world.number(held).await;
        if now == "TENANT_SUSPENDED" && held == 0 { Ok(()) } else { Err((now, held)) }
    })
    .await
    .unwrap();
    world.control.end_fault(&limit).await.unwrap();
    let request = send_request(&conversation.conversation_id, "late", wire::SendPolicy::PushOnly);
    let status = house.messages(&tenant).send_message(request).await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "TENANT_SUSPENDED");
    // Its friends are heard all the same, and its neighbours are served.
    world.control.write_text(account, &person, "anybody there?").await.unwrap();
    house.conversation_with(&tenant, 5).await;
    let (_, next_door) = house.conversing(&world, &other).await;
    let sent = house.send(&other, &next_door.conversation_id, "served", wire::SendPolicy::PushOnly).await;
    house.until(&other, &sent, MessageState::Accepted).await;
    assert_eq!(world.line.counts().delivered_messages, 1);

    world.say(&tenant, say(3, false)).await;
    for id in &ids {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    assert!(world.line.duplicates().is_empty());
    assert_eq!(world.line.counts().delivered_messages, 4);
    house.close().await;
}
