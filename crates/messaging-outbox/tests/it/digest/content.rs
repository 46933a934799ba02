//! What a digest counts, for whom.

use contracts::messaging::v1 as wire;
use kernel::StaffId;
use tonic::Code;
use uuid::Uuid;

use super::slot::{on_line, outcome, pushed, say, slot, told};
use crate::branches::{customer_of, link_of, written_by};
use crate::house::House;
use crate::notices::place::Office;
use crate::world::{Tenant, World};

/// Has a conversation read, or put off and read.
async fn read(house: &House, tenant: &Tenant, conversation: &wire::Conversation, put_off: bool) {
    let conversation_id = conversation.conversation_id.clone();
    let mut conversations = house.conversations(tenant);
    if put_off {
        let request = wire::PutOffConversationRequest { conversation_id: conversation_id.clone() };
        conversations.put_off_conversation(request).await.unwrap();
    }
    let request = wire::MarkReadRequest { conversation_id, ..Default::default() };
    conversations.mark_read(request).await.unwrap();
}

fn counts(digest: &wire::Digest) -> [i64; 4] {
    [digest.conversation_count, digest.message_count, digest.unlinked_count, digest.put_off_count]
}

#[tokio::test]
async fn each_member_is_told_what_waits_for_him_unlinked_senders_and_what_was_put_off_included() {
    let world = World::new("digest").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let (shibuya, ueno) = (world.branch(&tenant, "渋谷店").await, world.branch(&tenant, "上野店").await);
    world.account_of(&tenant, 2, None, Some(shibuya)).await;
    // Of the customers of Ueno one has written; the four others are nobody's customers, and so Shibuya's.
    let (customer, link) = (Uuid::new_v4(), Uuid::new_v4());
    world.say(&tenant, customer_of(customer, 1, Some(ueno))).await;
    for number in 0..5 {
        let (user, event) = written_by(number);
        if number == 0 {
            world.say(&tenant, link_of(&tenant, link, 1, customer, &user, false)).await;
        }
        tenant.receiver.publish(&event, false, false).await;
    }
    let of_shibuya = on_line(&world, &tenant, &office, &[shibuya], false).await;
    let of_ueno = world.member(&house, &tenant, &[ueno]).await;
    let of_neither = on_line(&world, &tenant, &office, &[Uuid::new_v4()], false).await;
    let administrator = on_line(&world, &tenant, &office, &[], true).await;
    house.until_seen_by(&tenant, of_shibuya.id, 4).await;
    house.until_seen_by(&tenant, of_ueno, 1).await;
    // One of Shibuya's is read, one put off and read; two wait unread.
    let seen = house.seen_by(&tenant, of_shibuya.id, &wire::ListConversationsRequest::default()).await;
    read(&house, &tenant, &seen[0], false).await;
    read(&house, &tenant, &seen[1], true).await;

    let due = slot(0);
    say(&world, &tenant, &due).await;
    let digests = told(&house, &tenant, &due, 5).await;
    let of = |id: StaffId| (outcome(&digests[&id]), counts(&digests[&id]));
    assert_eq!(of(of_shibuya.id), ("TOLD", [3, 2, 3, 1]));
    assert_eq!(of(of_ueno), ("NOT_REACHABLE", [1, 1, 0, 0]));
    assert_eq!(of(of_neither.id), ("NOTHING_UNREAD", [0, 0, 0, 0]));
    assert_eq!(of(administrator.id), ("TOLD", [4, 3, 3, 1]));
    assert_eq!(of(tenant.staff), ("NOT_REACHABLE", [4, 3, 3, 1]));
    assert_eq!(digests[&of_shibuya.id].oldest_time.unwrap().seconds, 1_700_000_000, "LINE's own time");
    assert!(digests[&of_neither.id].oldest_time.is_none() && digests[&of_neither.id].body.is_empty());

    let text = pushed(&world, &office, &of_shibuya, 1).await.remove(0);
    assert!(text.starts_with("未読のお知らせ（8:00）/ Unread at 8:00\n"), "{text}");
    for line in
        ["お待ちのトーク: 3件", "　顧客と未連携の方: 3件", "　後で通知: 1件", "Chats waiting: 3", "  put off: 1"]
    {
        assert!(text.lines().any(|of| of == line), "{line}: {text}");
    }
    assert!(!text.contains("店舗別") && !text.contains("山田"), "{text}");
    let text = pushed(&world, &office, &administrator, 1).await.remove(0);
    for line in ["店舗別:", "・渋谷店: 3件（後で通知 1件）", "・上野店: 1件", "- 渋谷店: 3 (put off: 1)", "- 上野店: 1"]
    {
        assert!(text.lines().any(|of| of == line), "{line}: {text}");
    }
    assert_eq!(world.number("SELECT count(*) FROM messaging.notice WHERE kind = 1").await, 2);

    // Nobody but administrators reads what others were told.
    let by = |member: StaffId, staff_id: String| {
        let request = wire::ListDigestsRequest { staff_id, ..Default::default() };
        let (mut digests, request) = (house.digests(&tenant), tenant.as_member(member, request));
        async move { digests.list_digests(request).await.map(|page| page.into_inner().digests) }
    };
    let own = by(of_shibuya.id, String::new()).await.unwrap();
    assert_eq!(own.iter().map(|one| one.staff_id.clone()).collect::<Vec<_>>(), [of_shibuya.id.to_string()]);
    assert_eq!(by(of_shibuya.id, of_shibuya.id.to_string()).await.unwrap(), own);
    assert_eq!(by(administrator.id, of_ueno.to_string()).await.unwrap().len(), 1);
    for unknown in [of_ueno.to_string(), Uuid::new_v4().to_string()] {
        assert_eq!(by(of_shibuya.id, unknown).await.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(by(administrator.id, Uuid::new_v4().to_string()).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(by(administrator.id, "no ID".to_owned()).await.unwrap_err().code(), Code::InvalidArgument);
    house.close().await;
}

#[tokio::test]
async fn what_was_put_off_is_in_every_digest_until_it_is_handled_and_an_empty_one_comes_where_it_is_wanted() {
    let world = World::new("digest_put_off").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    let administrator = on_line(&world, &tenant, &office, &[], true).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    read(&house, &tenant, &conversation, true).await;
    for minutes in [50, 40, 30] {
        let due = slot(minutes);
        say(&world, &tenant, &due).await;
        let digests = told(&house, &tenant, &due, 2).await;
        assert_eq!(outcome(&digests[&administrator.id]), "TOLD", "{minutes}");
        assert_eq!(counts(&digests[&administrator.id]), [1, 0, 1, 1], "{minutes}");
    }
    house.send(&tenant, &conversation.conversation_id, "we open at nine", wire::SendPolicy::PushOnly).await;
    let due = slot(20);
    say(&world, &tenant, &due).await;
    assert_eq!(outcome(&told(&house, &tenant, &due, 2).await[&administrator.id]), "NOTHING_UNREAD");
    let due = contracts::events::v1::DigestDue { send_empty: true, ..slot(10) };
    say(&world, &tenant, &due).await;
    assert_eq!(outcome(&told(&house, &tenant, &due, 2).await[&administrator.id]), "TOLD");
    let texts = pushed(&world, &office, &administrator, 4).await;
    assert!(texts[3].ends_with("お待ちのトークはありません。\n\nNo chats are waiting."), "{texts:?}");
    house.close().await;
}

#[tokio::test]
async fn those_alone_are_told_whom_a_slot_names_and_another_tenants_nobody() {
    let world = World::new("digest_named").await;
    let house = world.open().await;
    let (tenant, other) = (world.tenant(&house).await, world.tenant(&house).await);
    let named = world.member(&house, &tenant, &[]).await;
    world.member(&house, &tenant, &[]).await;
    let mut due = slot(5);
    due.recipient_staff_ids = vec![named.to_string(), other.staff.to_string(), Uuid::new_v4().to_string()];
    say(&world, &tenant, &due).await;
    assert_eq!(told(&house, &tenant, &due, 1).await.into_keys().collect::<Vec<_>>(), [named]);
    let page = house.digests(&other).list_digests(wire::ListDigestsRequest::default()).await.unwrap().into_inner();
    assert_eq!(page.digests, []);
    let request = wire::ListDigestsRequest { staff_id: named.to_string(), ..Default::default() };
    assert_eq!(house.digests(&other).list_digests(request).await.unwrap_err().code(), Code::NotFound);

    // Pages hold each once, the latest slot first.
    let more: Vec<_> = [4, 3, 2].map(slot).into();
    for due in &more {
        say(&world, &tenant, due).await;
        told(&house, &tenant, due, 3).await;
    }
    let mut request = wire::ListDigestsRequest { page_size: 4, ..Default::default() };
    let mut all = Vec::new();
    loop {
        let page = house.digests(&tenant).list_digests(request.clone()).await.unwrap().into_inner();
        all.extend(page.digests.into_iter().map(|one| (one.slot_time.unwrap().seconds, one.staff_id)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(all.len(), 10);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");
    house.close().await;
}
