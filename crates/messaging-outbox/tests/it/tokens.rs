//! Channel access tokens of every kind, got, shared and replaced.

use std::time::Duration;

use contracts::events::v1::{AccountState, ChannelCredentialKind};
use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use line_client::{AssertionKey, Endpoints, LineClient, MAX_TOKEN_LIFETIME};
use line_simulator::{Effect, Fault};
use line_types::id::ChannelId;
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;
use url::Url;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

const ISSUE: &str = "POST /oauth2/v2.1/token";
const STATELESS: &str = "POST /oauth2/v3/token";
const PUSH: &str = "POST /v2/bot/message/push";
const BOT_INFO: &str = "GET /v2/bot/info";
const JWK: &str = include_str!("../../../line-client/tests/data/assertion-key.jwk.json");

/// Gives the account an assertion key as its credential; returns the key's ID.
async fn by_assertion(world: &World, tenant: &Tenant) -> String {
    let jwk: serde_json::Value = serde_json::from_str(JWK).unwrap();
    let part = |name: &str| jwk[name].as_str().unwrap().to_owned();
    let public = line_simulator::AssertionKey { n: part("n"), e: part("e") };
    let kid = world.control.register_assertion_key(&tenant.card.channel_id, &public).await.unwrap();
    let sealed = chassis::seal::seal(&world.seal_key.public(), JWK.as_bytes()).unwrap();
    let kind = ChannelCredentialKind::AssertionKey;
    world.connect_with(tenant, 2, AccountState::Connected, kind, sealed, &kid).await;
    eventually(SOON, || async {
        let heard = world.number("SELECT count(*) FROM messaging.account_replica WHERE version = 2").await;
        if heard == 1 { Ok(()) } else { Err(heard) }
    })
    .await
    .unwrap();
    // LINE forgets the token the console made, so only one got by assertion can work.
    world.control.reissue_access_token(&tenant.card.channel_id).await.unwrap();
    kid
}

async fn push(house: &House, tenant: &Tenant, conversation: &str, text: &str) {
    let sent = house.send(tenant, conversation, text, wire::SendPolicy::PushOnly).await;
    house.until(tenant, &sent, MessageState::Accepted).await;
}

async fn ask_bot(house: &House, tenant: &Tenant) {
    let request = wire::GetBotInfoRequest { account_id: tenant.account.to_string() };
    let bot = house.gateway(tenant).get_bot_info(request).await.unwrap().into_inner();
    assert_eq!(bot.bot_user_id, tenant.card.bot_user_id.as_str());
}

#[tokio::test]
async fn one_token_got_by_assertion_serves_replicas_and_restarts_and_a_revoked_one_is_replaced_once() {
    let world = World::new("assertion").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    by_assertion(&world, &tenant).await;
    push(&house, &tenant, &conversation.conversation_id, "first").await;
    assert_eq!(world.asked(ISSUE).await, 1);
    let other = world.open().await;
    ask_bot(&other, &tenant).await;
    house.close().await;
    let house = world.open().await;
    push(&house, &tenant, &conversation.conversation_id, "after a restart").await;
    assert_eq!(world.asked(ISSUE).await, 1, "LINE lets an account have 30 at once");

    // Either replica may send what is queued, so who gets the new one is settled by calls a caller waits for.
    let revoked = Effect::Refuse { status: 401, message: "Authentication failed".to_owned() };
    for (replica, why) in [(&house, "a new one"), (&other, "finds that one where it is kept")] {
        world.control.add_fault(&Fault::times(revoked.clone(), 1).at(BOT_INFO)).await.unwrap();
        ask_bot(replica, &tenant).await;
        assert_eq!(world.asked(ISSUE).await, 2, "{why}");
    }
    push(&house, &tenant, &conversation.conversation_id, "with the new one").await;
    assert_eq!(world.asked(ISSUE).await, 2);
    assert_eq!(world.number("SELECT count(*) FROM messaging.access_token").await, 1);
    house.close().await;
    other.close().await;
}

#[tokio::test]
async fn an_account_that_has_all_the_tokens_line_allows_goes_on_with_stateless_ones() {
    let world = World::new("exhausted").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let kid = by_assertion(&world, &tenant).await;
    let url = Url::parse(world.line.base_url()).unwrap();
    let line = LineClient::new(Endpoints::new(url.clone(), url).unwrap()).unwrap();
    let key = AssertionKey::parse(&kid, JWK).unwrap();
    let channel = ChannelId::parse(tenant.card.channel_id.as_str()).unwrap();
    for _ in 0..30 {
        let now = SystemClock.now();
        let assertion = key.assert(&channel, now, Duration::from_mins(5), Some(MAX_TOKEN_LIFETIME)).unwrap();
        line.issue_v21(&assertion, Duration::from_secs(10)).await.unwrap();
    }
    push(&house, &tenant, &conversation.conversation_id, "all the same").await;
    assert_eq!(world.asked(STATELESS).await, 1);
    house.close().await;
}

#[tokio::test]
async fn tokens_that_line_refuses_as_soon_as_they_are_issued_are_not_got_again_and_again() {
    let world = World::new("refused_tokens").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    by_assertion(&world, &tenant).await;
    let refused = Effect::Refuse { status: 401, message: "Authentication failed".to_owned() };
    world.control.add_fault(&Fault::times(refused, 1_000).at(PUSH)).await.unwrap();
    let fail = async |house: &House| {
        let sent = house.send(&tenant, &conversation.conversation_id, "refused", wire::SendPolicy::PushOnly).await;
        let failure = house.until(&tenant, &sent, MessageState::Refused).await.failure.unwrap();
        assert_eq!(failure.kind, wire::FailureKind::Unauthorized as i32);
    };
    for _ in 0..3 {
        fail(&house).await;
    }
    assert_eq!(world.asked(ISSUE).await, 2, "one, and one in its place");
    house.close().await;
    // Neither a restart nor a replica gets another.
    let (house, other) = (world.open().await, world.open().await);
    for _ in 0..3 {
        fail(&other).await;
    }
    assert_eq!(world.asked(ISSUE).await, 2);
    // As soon as LINE takes it, the token there is serves.
    world.control.clear_faults().await.unwrap();
    testkit::eventually(crate::world::SOON, || async {
        let sent = house.send(&tenant, &conversation.conversation_id, "taken", wire::SendPolicy::PushOnly).await;
        let settled = house.once(&tenant, &sent, |message| {
            [MessageState::Accepted, MessageState::Refused].iter().any(|state| i32::from(state.code()) == message.state)
        });
        let state = settled.await.state;
        if state == i32::from(MessageState::Accepted.code()) { Ok(()) } else { Err(state) }
    })
    .await
    .unwrap();
    assert_eq!(world.asked(ISSUE).await, 2);
    house.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_revoked_long_lived_token_is_told_of_and_a_new_one_is_used_at_once() {
    let world = World::new("long_lived").await;
    let house = world.open().await;
    let mut tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    push(&house, &tenant, &conversation.conversation_id, "first").await;
    let fresh = world.control.reissue_access_token(&tenant.card.channel_id).await.unwrap();
    let sent = house.send(&tenant, &conversation.conversation_id, "refused", wire::SendPolicy::PushOnly).await;
    let failure = house.until(&tenant, &sent, MessageState::Refused).await.failure.unwrap();
    assert_eq!((failure.kind, failure.http_status), (wire::FailureKind::Unauthorized as i32, 401));
    // Whoever asks for something else is told that it is the account's fault.
    let request = wire::GetBotInfoRequest { account_id: tenant.account.to_string() };
    let refused = house.gateway(&tenant).get_bot_info(request).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!((refused.code(), &*reason), (Code::FailedPrecondition, "CREDENTIAL_REFUSED"));
    tenant.card.access_token = fresh;
    world.connect_account(&tenant, 2, AccountState::Connected).await;
    testkit::eventually(crate::world::SOON, || async {
        let known = "SELECT count(*) FROM messaging.account_replica WHERE version = 2";
        let known = world.number(known).await;
        if known == 1 { Ok(()) } else { Err(known) }
    })
    .await
    .unwrap();
    push(&house, &tenant, &conversation.conversation_id, "second").await;
    house.close().await;
}
