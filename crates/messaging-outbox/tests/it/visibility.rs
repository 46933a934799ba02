//! Who of the staff sees a conversation (F-72): the branch responsible for it, and administrators.

use std::time::{Duration, Instant};

use contracts::events::v1::AccountReplica;
use contracts::events::v1::identity_event::Body;
use contracts::messaging::v1 as wire;
use kernel::StaffId;
use tonic::{Code, Streaming};
use uuid::Uuid;

use crate::branches::{customer_of, link_of, written_by};
use crate::house::House;
use crate::world::{SOON, Tenant, World, send_request};

type Stream = Streaming<wire::WatchConversationsResponse>;

async fn watch(house: &House, tenant: &Tenant, member: StaffId) -> Stream {
    let request = tenant.as_member(member, wire::WatchConversationsRequest::default());
    let mut stream = house.conversations(tenant).watch_conversations(request).await.unwrap().into_inner();
    assert!(next(&mut stream).await.conversation.is_none(), "the cursor comes first");
    stream
}

async fn next(stream: &mut Stream) -> wire::WatchConversationsResponse {
    tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn staff_of_another_branch_find_nothing_by_any_method_and_hear_nothing() {
    let world = World::new("branches").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (shibuya, ueno) = (world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await);
    let ours = world.member(&house, &tenant, &[shibuya]).await;
    let theirs = world.member(&house, &tenant, &[ueno]).await;
    world.account_of(&tenant, 2, None, Some(shibuya)).await;
    let mut heard_by_us = watch(&house, &tenant, ours).await;
    let mut heard_by_them = watch(&house, &tenant, theirs).await;
    let mut heard_by_all = watch(&house, &tenant, tenant.staff).await;

    let (_, conversation) = house.conversing(&world, &tenant).await;
    house.until_seen_by(&tenant, ours, 1).await;
    let id = conversation.conversation_id.clone();
    let sent = house
        .messages(&tenant)
        .send_message(tenant.as_member(ours, send_request(&id, "good morning", wire::SendPolicy::PushOnly)))
        .await
        .unwrap()
        .into_inner()
        .message
        .unwrap()
        .message_id;
    let outbound = wire::ListOutboundMessagesRequest::default();
    let listed = |by: StaffId| {
        let (mut messages, request) = (house.messages(&tenant), tenant.as_member(by, outbound.clone()));
        async move { messages.list_outbound_messages(request).await.unwrap().into_inner().messages.len() }
    };
    assert_eq!((listed(ours).await, listed(tenant.staff).await, listed(theirs).await), (1, 1, 0));

    let all = wire::ListConversationsRequest::default();
    for request in [
        all.clone(),
        wire::ListConversationsRequest { unread_only: true, ..all.clone() },
        wire::ListConversationsRequest { account_ids: vec![tenant.account.to_string()], ..all.clone() },
    ] {
        assert!(house.seen_by(&tenant, theirs, &request).await.is_empty());
        assert_eq!(house.seen_by(&tenant, ours, &request).await.len(), 1);
        assert_eq!(house.seen_by(&tenant, tenant.staff, &request).await[0].organization_id, shibuya.to_string());
    }
    let (mut conversations, mut messages) = (house.conversations(&tenant), house.messages(&tenant));
    macro_rules! not_found {
        ($client:ident.$method:ident($($message:tt)*)) => {
            let status = $client.$method(tenant.as_member(theirs, $($message)*)).await.map(drop).unwrap_err();
            assert_eq!(status.code(), Code::NotFound, stringify!($method));
        };
    }
    let conversation_id = id.clone();
    not_found!(
        conversations.get_conversation(wire::GetConversationRequest { conversation_id: conversation_id.clone() })
    );
    not_found!(
        conversations.list_messages(wire::ListMessagesRequest {
            conversation_id: conversation_id.clone(),
            ..Default::default()
        })
    );
    not_found!(
        conversations
            .mark_read(wire::MarkReadRequest { conversation_id: conversation_id.clone(), ..Default::default() })
    );
    not_found!(
        conversations
            .put_off_conversation(wire::PutOffConversationRequest { conversation_id: conversation_id.clone() })
    );
    not_found!(conversations.clear_put_off(wire::ClearPutOffRequest { conversation_id }));
    let again = send_request(&id, "good morning", wire::SendPolicy::PushOnly);
    not_found!(messages.send_message(again.clone()));
    for message_id in [conversation.last_message_id.clone(), sent] {
        not_found!(messages.get_message(wire::GetMessageRequest { message_id: message_id.clone() }));
        not_found!(messages.cancel_message(wire::CancelMessageRequest { message_id: message_id.clone() }));
        not_found!(
            messages
                .settle_message(wire::SettleMessageRequest { message_id: message_id.clone(), ..Default::default() })
        );
        not_found!(messages.fetch_content(wire::FetchContentRequest { message_id }));
    }
    // Nor does the answer that is kept for a repeated call show anything.
    messages.send_message(tenant.as_member(ours, again.clone())).await.unwrap();
    not_found!(messages.send_message(again));
    let of = house.message(&tenant, &conversation.last_message_id).await;
    assert!(!of.read, "nothing was marked");

    while next(&mut heard_by_us).await.message.is_none() {}
    while next(&mut heard_by_all).await.message.is_none() {}
    // Their stream beats, and tells nothing.
    let beat = next(&mut heard_by_them).await;
    assert!(beat.conversation.is_none() && beat.message.is_none(), "{beat:?}");
    drop((heard_by_us, heard_by_them, heard_by_all));
    house.close().await;
}

#[tokio::test]
async fn whose_a_conversation_is_follows_the_customer_then_the_account_and_nobodys_is_the_administrators() {
    let world = World::new("whose").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (shibuya, ueno) = (world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await);
    let (a, b) = (world.member(&house, &tenant, &[shibuya]).await, world.member(&house, &tenant, &[ueno]).await);
    let of_both = world.member(&house, &tenant, &[shibuya, ueno]).await;
    let (user, event) = written_by(1);
    tenant.receiver.publish(&event, false, false).await;
    house.conversation_with(&tenant, 1).await;
    let (customer, link) = (Uuid::new_v4(), Uuid::new_v4());
    // What is said, and who sees it then: nobody's, the default's, the owner's, the customer's, …
    house.until_seen_by(&tenant, tenant.staff, 1).await;
    let seen = async |by_a: usize, by_b: usize| {
        house.until_seen_by(&tenant, a, by_a).await;
        house.until_seen_by(&tenant, b, by_b).await;
        house.until_seen_by(&tenant, of_both, by_a + by_b).await;
        house.until_seen_by(&tenant, tenant.staff, 1).await;
    };
    seen(0, 0).await;
    world.account_of(&tenant, 2, None, Some(shibuya)).await;
    seen(1, 0).await;
    world.account_of(&tenant, 3, Some(ueno), Some(shibuya)).await;
    seen(0, 1).await;
    // A customer who has not been heard of may be anybody's.
    world.say(&tenant, link_of(&tenant, link, 1, customer, &user, false)).await;
    seen(0, 0).await;
    world.say(&tenant, customer_of(customer, 1, Some(shibuya))).await;
    seen(1, 0).await;
    world.say(&tenant, customer_of(customer, 2, None)).await;
    seen(0, 1).await;
    world.say(&tenant, customer_of(customer, 3, Some(shibuya))).await;
    seen(1, 0).await;
    world.say(&tenant, link_of(&tenant, link, 2, customer, &user, true)).await;
    seen(0, 1).await;
    world.account_of(&tenant, 4, None, None).await;
    seen(0, 0).await;
    house.close().await;
}

#[tokio::test]
async fn a_branchs_pages_hold_each_of_its_conversations_once_in_the_order_of_all() {
    let world = World::new("branch_pages").await;
    let house = world.open().await;
    let mut tenant = world.tenant(&house).await;
    let branches = [world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await];
    world.account_of(&tenant, 2, None, Some(branches[0])).await;
    let first = tenant.account;
    let second = kernel::AccountId::from(Uuid::new_v4());
    tenant.account = second;
    world.account_of(&tenant, 1, None, Some(branches[1])).await;
    for number in 0..24u32 {
        tenant.receiver.account = if number % 3 == 0 { first } else { second };
        tenant.receiver.publish(&written_by(number).1, false, false).await;
    }
    let members = [
        world.member(&house, &tenant, &branches[..1]).await,
        world.member(&house, &tenant, &branches[1..]).await,
        world.member(&house, &tenant, &branches).await,
    ];
    for (member, count) in members.into_iter().zip([8, 16, 24]) {
        house.until_seen_by(&tenant, member, count).await;
    }
    let ids = |found: &[wire::Conversation]| found.iter().map(|one| one.conversation_id.clone()).collect::<Vec<_>>();
    let all = house.seen_by(&tenant, tenant.staff, &wire::ListConversationsRequest::default()).await;
    for unread_only in [false, true] {
        for (member, of) in members.into_iter().zip([&branches[..1], &branches[1..], &branches]) {
            let small = wire::ListConversationsRequest { page_size: 3, unread_only, ..Default::default() };
            let seen = house.seen_by(&tenant, member, &small).await;
            let is_theirs =
                |one: &&wire::Conversation| of.iter().any(|branch| branch.to_string() == one.organization_id);
            let theirs: Vec<wire::Conversation> = all.iter().filter(is_theirs).cloned().collect();
            assert_eq!(ids(&seen), ids(&theirs));
        }
        let small = wire::ListConversationsRequest { page_size: 5, unread_only, ..Default::default() };
        assert_eq!(ids(&house.seen_by(&tenant, tenant.staff, &small).await), ids(&all));
    }
    house.close().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_staff_member_works_for_another_branch_and_the_next_tells_of_that() {
    let world = World::new("moved_watch").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (shibuya, ueno) = (world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await);
    let member = world.member(&house, &tenant, &[shibuya]).await;
    world.account_of(&tenant, 2, None, Some(ueno)).await;
    let mut stream = watch(&house, &tenant, member).await;
    world.works_for(&tenant, member, 2, &[ueno]).await;
    let end = async {
        loop {
            if let Err(status) = stream.message().await {
                return status.code();
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), end).await.unwrap(), Code::Unauthenticated);
    let mut stream = watch(&house, &tenant, member).await;
    house.conversing(&world, &tenant).await;
    while next(&mut stream).await.conversation.is_none() {}
    drop(stream);
    house.close().await;
}

/// Ten reminders of each customer, of which nothing came, and one that reminds by the message there is.
const REMINDERS: [&str; 2] = [
    "INSERT INTO messaging.reminder (tenant_id, reminder_id, activity_id, rule_id, start_time, due_time, reminder_time, customer_id,
         reason)
     SELECT tenant_id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), now(), now(), customer_id, 6
     FROM messaging.customer_replica, generate_series(1, 10)",
    "INSERT INTO messaging.reminder (tenant_id, reminder_id, activity_id, rule_id, start_time, due_time, reminder_time, message_id)
     SELECT tenant_id, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), now(), now(), now(), message_id
     FROM messaging.message",
];

/// Every reminder somebody sees, by pages of three.
async fn reminders(house: &House, tenant: &Tenant, by: StaffId) -> Vec<wire::Reminder> {
    let mut request = wire::ListRemindersRequest { page_size: 3, ..Default::default() };
    let mut all = Vec::new();
    loop {
        let page = house.reminders(tenant).list_reminders(tenant.as_member(by, request.clone())).await.unwrap();
        let page = page.into_inner();
        assert!(page.reminders.len() <= 3);
        all.extend(page.reminders);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return all;
        }
    }
}

#[tokio::test]
async fn a_branchs_reminders_are_its_customers_and_those_it_can_read_and_nobodys_are_the_administrators() {
    let world = World::new("branch_reminders").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (shibuya, ueno) = (world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await);
    let ours = world.member(&house, &tenant, &[shibuya]).await;
    let theirs = world.member(&house, &tenant, &[ueno]).await;
    let of_none = world.member(&house, &tenant, &[]).await;
    world.account_of(&tenant, 2, None, Some(shibuya)).await;
    house.conversing(&world, &tenant).await;
    house.until_seen_by(&tenant, ours, 1).await;
    for of in [Some(shibuya), Some(ueno), None] {
        world.say(&tenant, customer_of(Uuid::new_v4(), 1, of)).await;
    }
    testkit::eventually(SOON, || async {
        let known = world.number("SELECT count(*) FROM messaging.customer_replica").await;
        if known == 3 { Ok(()) } else { Err(known) }
    })
    .await
    .unwrap();
    for statement in REMINDERS {
        world.admin(statement).await;
    }
    let all = reminders(&house, &tenant, tenant.staff).await;
    assert_eq!(all.len(), 31, "an administrator sees them all, whoever's they are");
    let (by_us, by_them) = (reminders(&house, &tenant, ours).await, reminders(&house, &tenant, theirs).await);
    assert_eq!((by_us.len(), by_them.len()), (11, 10));
    assert!(by_us.iter().any(|one| !one.message_id.is_empty()), "what can be read in the conversation");
    assert!(reminders(&house, &tenant, of_none).await.is_empty());
    for seen in [&by_us, &by_them] {
        let in_order: Vec<&wire::Reminder> = all.iter().filter(|one| seen.contains(one)).collect();
        assert_eq!(in_order, seen.iter().collect::<Vec<_>>(), "each once, in the order of all");
    }
    let activity_id = by_us[0].activity_id.clone();
    let one = wire::ListRemindersRequest { activity_id, ..Default::default() };
    let listed = house.reminders(&tenant).list_reminders(tenant.as_member(theirs, one)).await.unwrap().into_inner();
    assert!(listed.reminders.is_empty() && listed.next_page_token.is_empty());
    house.close().await;
}

/// What a watcher is told of whose a conversation is, told of each once: the branch that has it, or that it left.
async fn told_of_places(stream: &mut Stream, id: &str, count: usize) -> Vec<String> {
    let (mut places, deadline) = (Vec::<String>::new(), Instant::now() + SOON);
    while places.len() < count {
        assert!(Instant::now() < deadline, "told of {places:?} alone");
        let answer = next(stream).await;
        let place = match (&answer.conversation, answer.left_conversation_id.as_str()) {
            (Some(now), "") => now.organization_id.clone(),
            (None, "") => continue,
            (None, left) if left == id && answer.message.is_none() => "left".to_owned(),
            _ => panic!("{answer:?}"),
        };
        if places.last() != Some(&place) {
            places.push(place);
        }
    }
    places
}

#[tokio::test]
async fn whoever_watched_a_conversation_that_goes_to_another_branch_is_told_that_it_left_and_nothing_else() {
    let world = World::new("left_watch").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let shibuya = world.branch(&tenant, "渋谷店").await;
    let ueno = world.branch(&tenant, "上野店").await;
    let ikebukuro = world.branch(&tenant, "池袋店").await;
    let ours = world.member(&house, &tenant, &[shibuya]).await;
    let members = [
        ours,
        world.member(&house, &tenant, &[ueno]).await,
        world.member(&house, &tenant, &[ikebukuro]).await,
        world.member(&house, &tenant, &[shibuya, ueno]).await,
        tenant.staff,
    ];
    let second = Uuid::new_v4().to_string();
    let provider_id = tenant.provider.to_string();
    let account = AccountReplica { account_id: second.clone(), version: 1, provider_id, ..Default::default() };
    world.say(&tenant, Body::Account(account)).await;
    world.account_of(&tenant, 2, None, Some(shibuya)).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let id = conversation.conversation_id;
    house.until_seen_by(&tenant, ours, 1).await;
    let mut streams = Vec::new();
    for member in members {
        streams.push(watch(&house, &tenant, member).await);
    }
    // Whoever watches another account alone saw nothing that could leave.
    let mut elsewhere = testkit::eventually(SOON, || async {
        let request = wire::WatchConversationsRequest { account_ids: vec![second.clone()], ..Default::default() };
        let watched = house.conversations(&tenant).watch_conversations(tenant.as_member(ours, request)).await;
        watched.map_err(|status| status.code())
    })
    .await
    .unwrap()
    .into_inner();
    next(&mut elsewhere).await;

    // The last one is an administrator, who sees each move and hears of none that it left.
    let [shibuya, ueno, ikebukuro] = [Some(shibuya), Some(ueno), Some(ikebukuro)];
    for (version, branch) in (3..).zip([ueno, shibuya, None, ikebukuro, ueno]) {
        world.account_of(&tenant, version, None, branch).await;
        let of = branch.map(|branch| branch.to_string()).unwrap_or_default();
        let moved = async { while told_of_places(&mut streams[4], &id, 1).await != [of.as_str()] {} };
        tokio::time::timeout(SOON, moved).await.unwrap();
    }
    let name = |branch: Option<Uuid>| branch.unwrap().to_string();
    let [shibuya, ueno, ikebukuro] = [shibuya, ueno, ikebukuro].map(name);
    let left = "left".to_owned();
    let told = [
        vec![&left, &shibuya, &left],
        vec![&ueno, &left, &ueno],
        vec![&ikebukuro, &left],
        vec![&ueno, &shibuya, &left, &ueno],
    ];
    for (stream, expected) in streams.iter_mut().zip(told) {
        let mut places = told_of_places(stream, &id, expected.len()).await;
        if places[0] == shibuya {
            // What came while the streams were opened.
            places.remove(0);
            places.extend(told_of_places(stream, &id, 1).await);
        }
        assert_eq!(places.iter().collect::<Vec<_>>(), expected);
    }
    let beat = next(&mut elsewhere).await;
    assert!(beat.conversation.is_none() && beat.left_conversation_id.is_empty(), "{beat:?}");
    drop((streams, elsewhere));
    house.close().await;
}
