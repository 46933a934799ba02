//! Whose a conversation is: a view over the links that hold now (F-24, F-39).

use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountState, Assurance, CustomerReplica, LinkReplica, TenantReplica};
use contracts::messaging::v1 as wire;
use contracts::timestamp;
use kernel::{AccountId, Clock as _, SystemClock};
use testkit::eventually;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World, text};

const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";

fn customer(id: Uuid, version: i64, family_name: &str, given_name: &str) -> Body {
    Body::Customer(CustomerReplica {
        customer_id: id.to_string(),
        version,
        family_name: family_name.to_owned(),
        given_name: given_name.to_owned(),
        ..Default::default()
    })
}

/// A link that began at `begun` seconds from now, ended or not.
fn link(tenant: &Tenant, id: Uuid, version: i64, customer: Uuid, begun: i64, ended: bool) -> Body {
    let at = |seconds| Some(timestamp(SystemClock.now() + TimeDelta::seconds(seconds)));
    Body::Link(LinkReplica {
        link_id: id.to_string(),
        version,
        customer_id: customer.to_string(),
        provider_id: tenant.provider.to_string(),
        line_user_id: USER.to_owned(),
        assurance: Assurance::Name.into(),
        create_time: at(begun),
        end_time: if ended { at(begun + 1) } else { None },
    })
}

async fn of_customer(house: &House, tenant: &Tenant, customer: Uuid) -> Result<Vec<wire::Conversation>, Status> {
    let request = wire::ListConversationsRequest { customer_id: customer.to_string(), ..Default::default() };
    Ok(house.conversations(tenant).list_conversations(request).await?.into_inner().conversations)
}

/// The customer's conversations, once there are `count`.
async fn until_of(house: &House, tenant: &Tenant, customer: Uuid, count: usize) -> Vec<wire::Conversation> {
    eventually(SOON, || async {
        let found = of_customer(house, tenant, customer).await.map_err(|status| status.to_string())?;
        if found.len() == count { Ok(found) } else { Err(format!("{found:?}")) }
    })
    .await
    .unwrap()
}

async fn wrote(tenant: &Tenant, number: u32) {
    let event = serde_json::json!({"type": "message", "mode": "active", "timestamp": 1_700_000_000_000i64 + i64::from(number),
        "source": {"type": "user", "userId": USER}, "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XKC3Z{number}"),
        "deliveryContext": {"isRedelivery": false},
        "message": {"id": number.to_string(), "type": "text", "text": format!("line {number}")}});
    tenant.receiver.publish(&event.to_string(), false, false).await;
}

#[tokio::test]
async fn a_customers_conversations_are_those_of_the_line_user_linked_now_with_all_their_past() {
    let world = World::new("links").await;
    let house = world.open().await;
    let mut tenant = world.tenant(&house).await;
    wrote(&tenant, 1).await;
    wrote(&tenant, 2).await;
    let before = house.conversation_with(&tenant, 2).await;
    assert_eq!((before.customer_id.as_str(), before.customer_display_name.as_str()), ("", ""));
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    world.say(&tenant, customer(first, 1, "山田", "花子")).await;
    world.say(&tenant, customer(second, 1, "鈴木", "")).await;
    // A record nobody is linked to has none (F-39).
    assert!(until_of(&house, &tenant, second, 0).await.is_empty());

    let request = wire::WatchConversationsRequest::default();
    let mut stream = house.conversations(&tenant).watch_conversations(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let one = Uuid::new_v4();
    world.say(&tenant, link(&tenant, one, 1, first, -60, false)).await;
    let linked = until_of(&house, &tenant, first, 1).await.remove(0);
    assert_eq!(linked.conversation_id, before.conversation_id);
    assert_eq!((linked.customer_id.clone(), linked.customer_display_name.as_str()), (first.to_string(), "山田 花子"));
    let heard = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap().conversation.unwrap();
    assert_eq!(heard.customer_id, first.to_string());
    assert!(heard.version > before.version);
    let request = wire::GetConversationRequest { conversation_id: before.conversation_id.clone() };
    let got = house.conversations(&tenant).get_conversation(request).await.unwrap().into_inner().conversation.unwrap();
    assert_eq!((got.customer_id, got.customer_display_name), (first.to_string(), "山田 花子".to_owned()));
    let past = house.messages_of(&tenant, &linked.conversation_id).await;
    assert_eq!(past.iter().map(text).collect::<Vec<_>>(), ["line 2", "line 1"]);

    // Every account of the provider, of those asked for.
    let known = tenant.account;
    tenant.receiver.account = AccountId::from(Uuid::new_v4());
    tenant.account = tenant.receiver.account;
    world.connect_account(&tenant, 1, AccountState::Connected).await;
    wrote(&tenant, 3).await;
    until_of(&house, &tenant, first, 2).await;
    let mut request = wire::ListConversationsRequest { customer_id: first.to_string(), ..Default::default() };
    request.account_ids = vec![known.to_string()];
    let only = house.conversations(&tenant).list_conversations(request.clone()).await.unwrap().into_inner();
    assert_eq!(only.conversations.iter().map(|one| one.account_id.clone()).collect::<Vec<_>>(), [known.to_string()]);
    request = wire::ListConversationsRequest { page_size: 1, account_ids: Vec::new(), ..request };
    let mut pages = Vec::new();
    loop {
        let page = house.conversations(&tenant).list_conversations(request.clone()).await.unwrap().into_inner();
        pages.extend(page.conversations.into_iter().map(|one| one.conversation_id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    pages.dedup();
    assert_eq!(pages.len(), 2);

    // The link ends, and an older version of it changes nothing; the next is heard before the end of that before it.
    let two = Uuid::new_v4();
    world.say(&tenant, link(&tenant, two, 1, second, -30, false)).await;
    until_of(&house, &tenant, second, 2).await;
    assert!(of_customer(&house, &tenant, first).await.unwrap().is_empty(), "nobody's twice");
    world.say(&tenant, link(&tenant, one, 2, first, -60, true)).await;
    world.say(&tenant, link(&tenant, one, 1, first, -60, false)).await;
    world.say(&tenant, link(&tenant, two, 2, second, -30, true)).await;
    until_of(&house, &tenant, second, 0).await;
    until_of(&house, &tenant, first, 0).await;
    for one in house.list(&tenant).await {
        assert_eq!((one.customer_id.as_str(), one.customer_display_name.as_str()), ("", ""));
    }
    let past = house.messages_of(&tenant, &before.conversation_id).await;
    assert_eq!(past.len(), 2, "the conversation is where it was");
    house.close().await;
}

#[tokio::test]
async fn another_tenants_customer_is_as_unknown_as_none_and_its_link_changes_nothing_here() {
    let world = World::new("links_apart").await;
    let house = world.open().await;
    let (tenant, stranger) = (world.tenant(&house).await, world.tenant(&house).await);
    wrote(&tenant, 1).await;
    house.conversation_with(&tenant, 1).await;
    let (ours, theirs) = (Uuid::new_v4(), Uuid::new_v4());
    world.say(&stranger, customer(theirs, 1, "佐藤", "一郎")).await;
    // Under the other tenant, of our provider and LINE user.
    world.say(&stranger, link(&tenant, Uuid::new_v4(), 1, theirs, -60, false)).await;
    world.say(&tenant, customer(ours, 1, "山田", "花子")).await;
    until_of(&house, &tenant, ours, 0).await;
    assert!(until_of(&house, &stranger, theirs, 0).await.is_empty());
    eventually(SOON, || async {
        let links = world.number("SELECT count(*) FROM messaging.link_replica").await;
        if links == 1 { Ok(()) } else { Err(links) }
    })
    .await
    .unwrap();
    assert_eq!(house.list(&tenant).await[0].customer_id, "");
    for (of, customer) in [(&tenant, theirs), (&stranger, ours), (&tenant, Uuid::new_v4())] {
        let status = of_customer(&house, of, customer).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.get_details_error_info().is_some());
    }
    let request = wire::ListConversationsRequest { customer_id: "no ID".to_owned(), ..Default::default() };
    let status = house.conversations(&tenant).list_conversations(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    house.close().await;
}

#[tokio::test]
async fn a_customers_line_tab_is_open_until_the_plan_closes_it_and_again_under_one_that_opens_it() {
    let world = World::new("line_tab").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let customer = Uuid::new_v4();
    world.say(&tenant, crate::branches::customer_of(customer, 1, None)).await;
    let from_now = |seconds| Some(timestamp(SystemClock.now() + TimeDelta::seconds(seconds)));
    for (version, line_tab_close_time, open) in
        [(2, from_now(3_600), true), (3, from_now(-1), false), (4, None, true), (5, from_now(3), false)]
    {
        let (tenant_id, time_zone) = (tenant.id.to_string(), "Asia/Tokyo".to_owned());
        let told = TenantReplica { tenant_id, version, time_zone, line_tab_close_time, ..Default::default() };
        world.say(&tenant, Body::Tenant(told)).await;
        eventually(SOON, || async {
            let known = format!("SELECT count(*) FROM messaging.tenant_replica WHERE version = {version}");
            let known = world.count(&known).await;
            let request = wire::ListConversationsRequest { customer_id: customer.to_string(), ..Default::default() };
            let listed = house.conversations(&tenant).list_conversations(tenant.as_staff(request)).await;
            let refused = listed.err().map(|status| status.get_details_error_info().map(|info| info.reason));
            let expected = if open { None } else { Some(Some("LINE_TAB_CLOSED_BY_PLAN".to_owned())) };
            if known == 1 && refused == expected { Ok(()) } else { Err(format!("{version}: {known} {refused:?}")) }
        })
        .await
        .unwrap();
    }
    // What is no customer's tab stays.
    assert!(house.list(&tenant).await.is_empty());
    house.close().await;
}
