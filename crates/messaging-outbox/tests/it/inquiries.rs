//! Inquiries are messages of the conversation, whatever becomes of the link (F-11).

use chrono::TimeDelta;
use contracts::events::v1::InquiryState::{Confirmed, Refuted, Unconfirmed};
use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{InquiryReplica, InquiryState};
use contracts::messaging::v1 as wire;
use contracts::operations::v1::ListDeadLettersRequest;
use kernel::{Clock as _, SystemClock, Timestamp};
use line_simulator::PersonId;
use messaging_outbox_core::state::MessageState;
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

struct Form {
    id: Uuid,
    user: String,
    time: Timestamp,
}

impl Form {
    async fn of(world: &World, tenant: &Tenant, person: &PersonId) -> Self {
        let user = world.control.user_id(&tenant.card.channel_id, person).await.unwrap();
        Self { id: Uuid::new_v4(), user: user.as_str().to_owned(), time: now() + TimeDelta::seconds(1) }
    }

    fn version(&self, tenant: &Tenant, version: i64, state: InquiryState) -> InquiryReplica {
        InquiryReplica {
            inquiry_id: self.id.to_string(),
            version,
            account_id: tenant.account.to_string(),
            line_user_id: self.user.clone(),
            name: "山田 花子".to_owned(),
            text: "when are you open?\u{0}".to_owned(),
            submit_time: Some(contracts::timestamp(self.time)),
            state: state.into(),
        }
    }
}

/// As the database keeps it.
fn now() -> Timestamp {
    Timestamp::from_timestamp_micros(SystemClock.now().timestamp_micros()).unwrap()
}

fn inquiry(message: &wire::Message) -> Option<wire::InquiryContent> {
    match message.content.clone()?.kind? {
        wire::message_content::Kind::Inquiry(inquiry) => Some(inquiry),
        other => panic!("no inquiry: {other:?}"),
    }
}

/// Waits until events are given up for these reasons.
async fn until_given_up(house: &House, tenant: &Tenant, wanted: &[&str]) {
    eventually(SOON, || async {
        let request = ListDeadLettersRequest::default();
        let letters = house.dead_letters(tenant).list_dead_letters(request).await.unwrap().into_inner().dead_letters;
        let mut reasons: Vec<_> = letters.into_iter().map(|letter| letter.reason).collect();
        reasons.sort();
        if reasons == wanted { Ok(()) } else { Err(reasons) }
    })
    .await
    .unwrap();
}

async fn until_state(house: &House, tenant: &Tenant, id: &str, state: InquiryState) {
    let is = |message: &wire::Message| inquiry(message).is_some_and(|inquiry| inquiry.state == i32::from(state));
    house.once(tenant, id, is).await;
}

#[tokio::test]
async fn an_inquiry_is_one_unread_message_whose_state_alone_changes_in_whatever_order_its_versions_come() {
    let world = World::new("inquiry").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (person, before) = house.conversing(&world, &tenant).await;
    let request = wire::WatchConversationsRequest::default();
    let mut stream = house.conversations(&tenant).watch_conversations(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let form = Form::of(&world, &tenant, &person).await;
    for (version, state) in [(2, Confirmed), (2, Confirmed), (1, Unconfirmed)] {
        world.say(&tenant, Body::Inquiry(form.version(&tenant, version, state))).await;
    }
    // Once this is given up, what was said before it is handled.
    let broken = InquiryReplica { submit_time: None, text: String::new(), ..form.version(&tenant, 1, Unconfirmed) };
    world.say(&tenant, Body::Inquiry(broken)).await;
    until_given_up(&house, &tenant, &["no time"]).await;
    let conversation = house.conversation_with(&tenant, 2).await;
    assert_eq!(conversation.conversation_id, before.conversation_id);
    let latest = house.messages_of(&tenant, &conversation.conversation_id).await.remove(0);
    let heard = loop {
        let next = tokio::time::timeout(SOON, stream.message()).await.unwrap().unwrap().unwrap();
        if let Some(message) = next.message {
            break message;
        }
    };
    assert_eq!(heard.message_id, latest.message_id);
    let kept = inquiry(&latest).unwrap();
    assert_eq!((kept.name.as_str(), kept.text.as_str()), ("山田 花子", "when are you open?\u{0}"));
    assert_eq!(kept.state, i32::from(Confirmed));
    assert_eq!(
        (latest.direction, latest.read, latest.line_message_id.as_str()),
        (wire::Direction::Inbound as i32, false, "")
    );
    assert_eq!(latest.state, i32::from(MessageState::Received.code()));
    assert_eq!(latest.message_time, Some(contracts::timestamp(form.time)));
    let now = house.list(&tenant).await.remove(0);
    assert_eq!((now.unread_count, &now.last_message_id), (2, &latest.message_id));
    assert_eq!(now.reply_until_time, before.reply_until_time, "it brings no token");

    // What was read stays read, and what was erased stays erased, whatever is said of it later.
    let request = wire::MarkReadRequest { conversation_id: now.conversation_id.clone(), ..Default::default() };
    house.conversations(&tenant).mark_read(request).await.unwrap();
    world.say(&tenant, Body::Inquiry(form.version(&tenant, 3, Refuted))).await;
    until_state(&house, &tenant, &latest.message_id, Refuted).await;
    let now = house.list(&tenant).await.remove(0);
    assert_eq!((now.unread_count, house.message(&tenant, &latest.message_id).await.read), (0, true));
    world.admin("UPDATE messaging.message SET object = NULL WHERE line_message_id IS NULL").await;
    let other = Form { id: Uuid::new_v4(), ..form };
    let form = Form { id: form.id, user: other.user.clone(), time: other.time };
    world.say(&tenant, Body::Inquiry(form.version(&tenant, 4, Confirmed))).await;
    world.say(&tenant, Body::Inquiry(other.version(&tenant, 1, Unconfirmed))).await;
    house.conversation_with(&tenant, 3).await;
    assert_eq!(inquiry(&house.message(&tenant, &latest.message_id).await), None);
    assert_eq!(world.tables_that_say("when are you open?").await.iter().filter(|table| *table != "message").count(), 0);
    house.close().await;
}

#[tokio::test]
async fn an_inquiry_begins_a_conversation_and_one_nobody_can_place_is_given_up_and_stops_no_other() {
    let world = World::new("inquiry_first").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let user = "U4af4980629aaaabbbbccccddddeeee00".to_owned();
    let form = Form { id: Uuid::new_v4(), user, time: now() };
    let whole = form.version(&tenant, 1, Unconfirmed);
    for broken in [
        InquiryReplica { submit_time: None, ..whole.clone() },
        InquiryReplica { line_user_id: "nobody".to_owned(), ..whole.clone() },
        InquiryReplica { inquiry_id: String::new(), ..whole.clone() },
        InquiryReplica { state: 99, ..whole.clone() },
    ] {
        world.say(&tenant, Body::Inquiry(broken)).await;
    }
    world.say(&tenant, Body::Inquiry(whole)).await;
    let conversation = house.conversation_with(&tenant, 1).await;
    assert_eq!((conversation.unread_count, conversation.kind), (1, wire::ConversationKind::User as i32));
    let reasons = ["no LINE user ID", "no inquiry ID", "no state of an inquiry", "no time"];
    until_given_up(&house, &tenant, &reasons).await;
    house.close().await;
}
