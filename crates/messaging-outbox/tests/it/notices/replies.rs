//! Replies of staff that did not go, or of which nobody knows (F-70, F-71): the branch hears of each once.

use contracts::messaging::v1 as wire;
use line_simulator::{Effect, Fault};
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use uuid::Uuid;

use super::place::{Member, Office};
use crate::house::House;
use crate::scheduler::{due, until_handled};
use crate::scheduling::{later, written};
use crate::world::{SOON, Tenant, World, send_request};

const PUSH: &str = "POST /v2/bot/message/push";
const REPLY: &str = "POST /v2/bot/message/reply";
const NOTICES: &str = "SELECT count(*) FROM messaging.notice";

/// LINE refuses the next push for good.
async fn refuse(world: &World) {
    let refuse = Effect::Refuse { status: 400, message: "The message is bad".to_owned() };
    world.control.add_fault(&Fault::times(refuse, 1).at(PUSH)).await.unwrap();
}

/// What the member was pushed, once it is so much.
async fn told(world: &World, office: &Office, member: &Member, count: usize) -> Vec<String> {
    eventually(SOON, || async {
        let pushed = office.pushed(world).await.into_iter().filter(|(to, _)| *to == member.line_user);
        let texts: Vec<String> = pushed.map(|(_, text)| text).collect();
        if texts.len() == count { Ok(texts) } else { Err(texts) }
    })
    .await
    .unwrap()
}

async fn listed(house: &House, tenant: &Tenant) -> Vec<wire::Notice> {
    let request = wire::ListNoticesRequest { kind: wire::NoticeKind::MessageFailed.into(), ..Default::default() };
    house.notices(tenant).list_notices(request).await.unwrap().into_inner().notices
}

#[tokio::test]
async fn the_branch_hears_once_of_each_reply_that_did_not_go_and_of_each_that_nobody_knows_of() {
    let world = World::new("notice_replies").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    world.account_of(&tenant, 2, None, Some(office.branch)).await;
    let ours = office.member(&world, &tenant, office.branch, true).await;
    office.member(&world, &tenant, office.branch, false).await;
    office.member(&world, &tenant, Uuid::new_v4(), true).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    house.until_seen_by(&tenant, ours.id, 1).await;
    let id = &conversation.conversation_id;

    // What LINE refuses.
    refuse(&world).await;
    let refused = house.send(&tenant, id, "one", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &refused, MessageState::Refused).await;
    let texts = told(&world, &office, &ours, 1).await;
    assert!(texts[0].starts_with("返信を送信できませんでした / A reply was not sent\n\n"), "{texts:?}");
    assert!(!texts[0].contains("one"), "what was written is not in it");
    // What may have arrived.
    world.control.add_fault(&Fault::times(Effect::AcceptedAnswerLost, 1).at(REPLY)).await.unwrap();
    let uncertain = house.send(&tenant, id, "two", wire::SendPolicy::ReplyOnly).await;
    house.until(&tenant, &uncertain, MessageState::Uncertain).await;
    let texts = told(&world, &office, &ours, 2).await;
    assert!(texts[1].starts_with("返信が届いたか確認できません / A reply may not have arrived\n\n"), "{texts:?}");
    // What was to go at a time that is long over; and it is said twice.
    let message = written(&house, &tenant, later(id, "three", 600)).await.message_id;
    world.admin("UPDATE messaging.scheduled_send SET send_time = now() - interval '2 hours'").await;
    for _ in 0..2 {
        due(&world, &tenant, &[(&message, 1)]).await;
    }
    until_handled(&world, "scheduled_sends", 2).await;
    told(&world, &office, &ours, 3).await;

    // Whoever settles one by hand knows; what goes is told to nobody; and a program hears of its own messages by events.
    let request = wire::SettleMessageRequest { message_id: uncertain, arrived: false, ..Default::default() };
    house.messages(&tenant).settle_message(tenant.as_staff(request)).await.unwrap();
    refuse(&world).await;
    let request = send_request(id, "four", wire::SendPolicy::PushOnly);
    let of_program = house.messages(&tenant).send_message(request).await.unwrap().into_inner().message.unwrap();
    house.until(&tenant, &of_program.message_id, MessageState::Refused).await;
    let fine = house.send(&tenant, id, "five", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &fine, MessageState::Accepted).await;
    let notices = listed(&house, &tenant).await;
    assert!(notices.iter().all(|notice| notice.staff_id == ours.id.to_string()), "{notices:?}");
    assert_eq!((notices.len(), world.number(NOTICES).await), (3, 3));
    house.close().await;
}

#[tokio::test]
async fn of_a_reply_in_nobodys_conversation_nobody_hears() {
    let world = World::new("notice_replies_nobody").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let office = Office::open(&world, &tenant).await;
    office.member(&world, &tenant, office.branch, true).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    refuse(&world).await;
    let refused = house.send(&tenant, &conversation.conversation_id, "one", wire::SendPolicy::PushOnly).await;
    house.until(&tenant, &refused, MessageState::Refused).await;
    assert_eq!(world.number(NOTICES).await, 0);
    house.close().await;
}
