//! The staff account: what staff do there is shown nowhere and kept nowhere.

use std::os::unix::process::ExitStatusExt as _;

use chrono::TimeDelta;
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{self as events, AccountPurpose, AccountState};
use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use line_simulator::{Act, BooksQuery, Method, PersonSpec};
use serde_json::json;
use testkit::eventually;
use tonic::Code;
use uuid::Uuid;

use super::place::Office;
use crate::digest::slot::{outcome, say, slot, told};
use crate::killing::program;
use crate::world::{SOON, World};

#[tokio::test]
async fn what_staff_write_there_is_not_kept_and_they_are_answered_for_free() {
    let world = World::new("staff_account").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let person = world.control.add_person(&PersonSpec::default()).await.unwrap();
    world.control.act(&office.card.channel_id, &person, Act::AddFriend { quiet: false }).await.unwrap();
    let user = world.control.user_id(&office.card.channel_id, &person).await.unwrap().as_str().to_owned();
    world.control.write_text(&office.card.channel_id, &person, "my code is 12345").await.unwrap();
    eventually(SOON, || async {
        let tokens = world.number("SELECT count(*) FROM messaging.reply_token").await;
        if tokens >= 2 { Ok(()) } else { Err(tokens) }
    })
    .await
    .unwrap();
    assert_eq!(world.number("SELECT count(*) FROM messaging.message").await, 0);
    assert_eq!(world.tables_that_say("my code is 12345").await, Vec::<String>::new());

    let card = Body::AnswerRequested(events::AnswerRequested {
        answer_id: Uuid::new_v4().to_string(),
        account_id: office.account.to_string(),
        line_user_id: user,
        webhook_event_id: String::new(),
        line_objects: vec![json!({"type": "text", "text": "bind here"}).to_string()],
        expire_time: Some(contracts::timestamp(SystemClock.now() + TimeDelta::seconds(60))),
    });
    world.say(&tenant, card).await;
    let sent = eventually(SOON, || async {
        let query = BooksQuery { account: Some(office.card.channel_id.clone()), ..Default::default() };
        let sent = world.control.sent(&query).await.unwrap();
        sent.into_iter().next().ok_or("nothing sent")
    });
    assert_eq!(sent.await.unwrap().method, Method::Reply);

    assert!(house.list(&tenant).await.is_empty());
    let outbound = house.messages(&tenant).list_outbound_messages(wire::ListOutboundMessagesRequest::default()).await;
    assert!(outbound.unwrap().into_inner().messages.is_empty());
    let hidden = world.id("SELECT conversation_id FROM messaging.conversation WHERE kind = 4").await.to_string();
    let request = wire::GetConversationRequest { conversation_id: hidden };
    let status = house.conversations(&tenant).get_conversation(request).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let message = world.id("SELECT message_id FROM messaging.message").await.to_string();
    let status =
        house.messages(&tenant).get_message(wire::GetMessageRequest { message_id: message }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(world.number("SELECT count(*) FROM messaging.conversation_change").await, 0, "watchers hear nothing");
    house.close().await;
}

/// The account of a tenant's customers turns out to be for staff, and what was written there is nobody's to look at: hidden, counted
/// nowhere, and gone from whoever watched it.
#[tokio::test]
async fn an_account_that_turns_out_to_be_for_staff_shows_no_conversation_any_more_and_counts_none() {
    let world = World::new("staff_account_late").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let id = conversation.conversation_id.clone();
    let off = wire::PutOffConversationRequest { conversation_id: id.clone() };
    house.conversations(&tenant).put_off_conversation(tenant.as_staff(off)).await.unwrap();
    let request = tenant.as_staff(wire::WatchConversationsRequest::default());
    let mut stream = house.conversations(&tenant).watch_conversations(request).await.unwrap().into_inner();
    let (account, card) = (tenant.account, tenant.card.clone());
    let office = Office { account, card, branch: Uuid::new_v4(), purpose: AccountPurpose::Staff };
    office.stand(&world, &tenant, 2, AccountState::Connected).await;
    eventually(SOON, || async {
        let left = house.list(&tenant).await.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    let left = async {
        loop {
            let left = stream.message().await.unwrap().unwrap().left_conversation_id;
            if !left.is_empty() {
                return left;
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, left).await.unwrap(), id);
    let unread = wire::ListConversationsRequest { unread_only: true, ..Default::default() };
    let put_off = wire::ListConversationsRequest { put_off_only: true, ..Default::default() };
    for request in [unread, put_off] {
        assert!(house.seen_by(&tenant, tenant.staff, &request).await.is_empty(), "{request:?}");
    }
    let due = slot(10);
    say(&world, &tenant, &due).await;
    let digest = told(&house, &tenant, &due, 1).await.remove(&tenant.staff).unwrap();
    assert_eq!((outcome(&digest), digest.conversation_count, digest.put_off_count), ("NOTHING_UNREAD", 0, 0));
    let send = crate::world::send_request(&id, "hi", wire::SendPolicy::ReplyFirst);
    let status = house.messages(&tenant).send_message(tenant.as_staff(send)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    // Whose the account is changes, and of what is hidden nobody hears any more.
    let owner = Uuid::new_v4();
    let told = office.told(&world, 3, AccountState::Connected);
    world
        .say(&tenant, Body::Account(events::AccountReplica { owner_organization_id: owner.to_string(), ..told }))
        .await;
    let moved = format!("SELECT count(*) FROM messaging.conversation WHERE kind = 4 AND organization_id = '{owner}'");
    eventually(SOON, || async {
        let moved = world.count(&moved).await;
        if moved == 1 { Ok(()) } else { Err(moved) }
    })
    .await
    .unwrap();
    let beat = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
    assert!(beat.left_conversation_id.is_empty() && beat.conversation.is_none(), "{beat:?}");
    drop(stream);
    house.close().await;
}

/// What came is kept by a transaction that did not see yet that the account is for staff, and commits last.
#[tokio::test]
async fn a_conversation_that_is_made_while_its_account_becomes_one_for_staff_is_hidden_too() {
    let world = World::new("staff_account_race").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (account, card) = (tenant.account, tenant.card.clone());
    let office = Office { account, card, branch: Uuid::new_v4(), purpose: AccountPurpose::Staff };
    office.stand(&world, &tenant, 2, AccountState::Connected).await;
    eventually(SOON, || async {
        let known = world.number("SELECT count(*) FROM messaging.account_replica WHERE purpose = 2").await;
        let looking = world.number("SELECT count(*) FROM messaging.placing").await;
        if (known, looking) == (1, 0) { Ok(()) } else { Err((known, looking)) }
    })
    .await
    .unwrap();
    let of_tenant = tenant.id;
    let made = format!(
        "WITH made AS (
             INSERT INTO messaging.conversation (tenant_id, conversation_id, account_id, kind, chat_key, activity_time, unread_count)
             VALUES ('{of_tenant}', gen_random_uuid(), '{account}', 1, 'U0123456789abcdef0123456789abcdef', now(), 1)
             RETURNING conversation_id)
         INSERT INTO messaging.placing (tenant_id, matter, subject) SELECT '{of_tenant}', 1, conversation_id FROM made"
    );
    world.try_admin_of(&made).await.unwrap();
    eventually(SOON, || async {
        let hidden = world.number("SELECT count(*) FROM messaging.conversation WHERE kind = 4").await;
        if hidden == 1 { Ok(()) } else { Err(hidden) }
    })
    .await
    .unwrap();
    assert!(house.list(&tenant).await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn an_account_with_many_conversations_becomes_one_for_staff_in_steps_that_survive_a_kill() {
    let world = World::new("staff_account_many").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    house.conversing(&world, &tenant).await;
    world
        .admin(
            "INSERT INTO messaging.conversation (tenant_id, conversation_id, account_id, kind, chat_key, activity_time)
             SELECT tenant_id, gen_random_uuid(), account_id, 1, 'U' || number, now()
             FROM messaging.conversation, generate_series(1, 999) AS n (number)",
        )
        .await;
    house.close().await;

    let (account, card) = (tenant.account, tenant.card.clone());
    let office = Office { account, card, branch: Uuid::new_v4(), purpose: AccountPurpose::Staff };
    office.stand(&world, &tenant, 2, AccountState::Connected).await;
    let mut killed = program(&world, testkit::port::free(), "messaging.before_placing");
    assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{:?}", killed.lines());
    let customers = "SELECT count(*) FROM messaging.conversation WHERE kind = 1";
    assert!(world.number(customers).await > 200, "it was killed on the way");
    let house = world.open().await;
    eventually(SOON, || async {
        let left = (world.number(customers).await, world.number("SELECT count(*) FROM messaging.placing").await);
        if left == (0, 0) { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();
    let at_once = "SELECT max(number) FROM (
        SELECT count(*) AS number FROM messaging.conversation GROUP BY xmin::text) transaction";
    assert!(world.number(at_once).await <= 201, "a bounded number in each transaction");
    assert!(house.list(&tenant).await.is_empty());
    house.close().await;
}
