//! What holds up one tenant holds up no other: a backlog, or rows that somebody has locked.

use std::num::NonZeroUsize;
use std::time::Duration;

use contracts::messaging::v1 as wire;
use line_simulator::{Act, ActRequest, ChatChange, ChatKind, ChatSpec, Effect, Fault, Media, PersonSpec, Writing};
use messaging_outbox_core::state::MessageState;
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

async fn accepted(house: &House, tenant: &Tenant, conversation: &str, policy: wire::SendPolicy) {
    let sent = house.send(tenant, conversation, "hello", policy).await;
    house.until(tenant, &sent, MessageState::Accepted).await;
}

#[tokio::test]
async fn locked_rows_of_one_tenant_hold_up_neither_the_plans_nor_the_outcomes_of_another() {
    let world = World::new("neighbours").await;
    let house = world.open().await;
    let (held, free) = (world.tenant(&house).await, world.tenant(&house).await);
    let (_, of_held) = house.conversing(&world, &held).await;
    let (_, of_free) = house.conversing(&world, &free).await;
    let push = wire::SendPolicy::PushOnly;
    accepted(&house, &held, &of_held.conversation_id, push).await;
    // Its count of the month: no outcome can be written. Its reply tokens: no reply can be planned.
    for (rows, policy) in [
        ("SELECT FROM messaging.quota WHERE tenant_id = $1 FOR UPDATE", push),
        ("SELECT FROM messaging.reply_token WHERE tenant_id = $1 FOR UPDATE", wire::SendPolicy::ReplyFirst),
    ] {
        let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
        let mut closed = gate.begin().await.unwrap();
        sqlx::query(rows).bind(held.id.uuid()).execute(&mut *closed).await.unwrap();
        let waits = house.send(&held, &of_held.conversation_id, "waits", policy).await;
        world.until_locked_out(1).await;
        accepted(&house, &free, &of_free.conversation_id, push).await;
        assert_eq!(world.locked_out().await.len(), 1, "the other waits still");
        closed.rollback().await.unwrap();
        house.until(&held, &waits, MessageState::Accepted).await;
    }
    house.close().await;
}

#[tokio::test]
async fn a_content_and_a_groups_name_are_fetched_at_once_behind_another_tenants_thirty_thousand() {
    let world = World::new("backlog").await;
    let house = world.open().await;
    world.tenant(&house).await;
    world
        .admin(
            "INSERT INTO messaging.content_job (tenant_id, message_id, account_id, due)
                 SELECT tenant_id, gen_random_uuid(), account_id, now() - interval '1 hour'
                 FROM messaging.account_replica, generate_series(1, 30000);
             INSERT INTO messaging.group_name_job (tenant_id, conversation_id, account_id, due)
                 SELECT tenant_id, gen_random_uuid(), account_id, now() - interval '1 hour'
                 FROM messaging.account_replica, generate_series(1, 30000)",
        )
        .await;
    let tenant = world.tenant(&house).await;
    let account = &tenant.card.channel_id;
    let member = world.control.add_person(&PersonSpec::default()).await.unwrap();
    let spec = ChatSpec { kind: ChatKind::Group, name: "Family".into(), members: vec![member.clone()] };
    let chat = world.control.add_chat(&spec).await.unwrap();
    let invite = ChatChange::InviteAccount { account: account.clone() };
    world.control.change_chat(&chat, &invite).await.unwrap();
    let picture = Act::Write(Writing::Image(Media::default()));
    let here = ActRequest { chat: Some(chat.clone()), ..ActRequest::from(picture) };
    world.control.act(account, &member, here).await.unwrap();
    let conversation = house.conversation_with(&tenant, 1).await;
    let id = house.messages_of(&tenant, &conversation.conversation_id).await[0].message_id.clone();
    house
        .once(&tenant, &id, |message| {
            let kind = message.content.as_ref().and_then(|content| content.kind.as_ref());
            let stored = i32::from(wire::ContentState::Stored);
            matches!(kind, Some(wire::message_content::Kind::Media(media)) if media.content_state == stored)
        })
        .await;
    eventually(SOON, || async {
        let name = house.list(&tenant).await.remove(0).display_name;
        if name == "Family" { Ok(()) } else { Err(name) }
    })
    .await
    .unwrap();
    for left in ["SELECT count(*) FROM messaging.content_job", "SELECT count(*) FROM messaging.group_name_job"] {
        let left = world.number(left).await;
        assert!(left > 1_000, "{left} of the others' are left");
    }
    house.close().await;
}

#[tokio::test]
async fn a_lane_that_always_has_work_makes_room_for_one_that_waits_for_a_place() {
    let world = World::new("turns").await;
    let house = world.open_with(|config| config.sender.lanes = NonZeroUsize::MIN).await;
    let (busy, other) = (world.tenant(&house).await, world.tenant(&house).await);
    let (_, of_busy) = house.conversing(&world, &busy).await;
    let (_, of_other) = house.conversing(&world, &other).await;
    let held_back = Fault::always(Effect::RateLimited).of(&busy.card.channel_id);
    world.control.add_fault(&held_back).await.unwrap();
    let waits = house.send(&busy, &of_busy.conversation_id, "waits", wire::SendPolicy::PushOnly).await;
    house.until(&busy, &waits, MessageState::Sending).await;
    let sent = house.send(&other, &of_other.conversation_id, "hello", wire::SendPolicy::PushOnly).await;
    // Sooner than the first goes back into the queue by itself.
    eventually(Duration::from_secs(15), || async {
        let state = house.message(&other, &sent).await.state;
        if state == i32::from(MessageState::Accepted.code()) { Ok(()) } else { Err(state) }
    })
    .await
    .unwrap();
    house.close().await;
}
