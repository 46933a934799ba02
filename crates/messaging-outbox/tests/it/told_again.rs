//! What LINE told is told again in a rebuild: what is missing comes back, and nothing follows from it.

use contracts::messaging::v1 as wire;
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use crate::house::House;
use crate::world::{SOON, Tenant, World};

const HANAKO: &str = "U4af4980629aaaabbbbccccddddeeee00";
const TARO: &str = "U4af4980629aaaabbbbccccddddeeee01";

/// A message of that ID, written by `user` so many seconds after the first.
fn written(user: &str, id: u32, message: &Value) -> String {
    let mut event = json!({"type": "message", "mode": "active", "timestamp": 1_700_000_000_000i64 + 1_000 * i64::from(id),
        "source": {"type": "user", "userId": user}, "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XK{id:04}"),
        "deliveryContext": {"isRedelivery": false}, "replyToken": format!("a{id}")});
    event["message"] = message.clone();
    event["message"]["id"] = json!(id.to_string());
    event.to_string()
}

fn picture(id: u32) -> String {
    written(HANAKO, id, &json!({"type": "image", "quoteToken": "q", "contentProvider": {"type": "line"}}))
}

fn text(user: &str, id: u32) -> String {
    written(user, id, &json!({"type": "text", "text": "こんにちは"}))
}

/// The conversations' unread messages, once so many messages are there.
async fn unread(world: &World, house: &House, tenant: &Tenant, messages: i64) -> Vec<i32> {
    eventually(SOON, || async {
        let count = world.number("SELECT count(*) FROM messaging.message").await;
        if count == messages { Ok(()) } else { Err(count) }
    })
    .await
    .unwrap();
    let mut unread: Vec<i32> = house.list(tenant).await.iter().map(|conversation| conversation.unread_count).collect();
    unread.sort_unstable();
    unread
}

#[tokio::test]
async fn with_effects_off_a_picture_that_was_missing_comes_back_and_line_is_not_asked_for_it() {
    let world = World::new("told_again_picture").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    tenant.receiver.publish(&picture(1), false, true).await;
    let conversation = house.conversation_with(&tenant, 1).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.content WHERE state = 4").await, 1, "its bytes are gone");
    assert_eq!(world.number("SELECT count(*) FROM messaging.content_job").await, 0, "nobody asks LINE for them");
    assert_eq!(world.number("SELECT count(*) FROM messaging.reply_token").await, 0);
    let told = "SELECT count(*) FROM messaging.outbox WHERE happened LIKE '%conversation%'";
    assert_eq!(world.number(told).await, 0, "no other service hears of it");
    assert_eq!(conversation.unread_count, 1);
    house.close().await;
}

/// Notes whose bytes LINE is to be asked for.
const NOTED: [&str; 3] = [
    "CREATE TABLE messaging.noted (message_id uuid)",
    "CREATE FUNCTION messaging.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
         $$ BEGIN INSERT INTO messaging.noted VALUES (NEW.message_id); RETURN NEW; END $$",
    "CREATE TRIGGER note AFTER INSERT ON messaging.content_job FOR EACH ROW EXECUTE FUNCTION messaging.note()",
];

#[tokio::test]
async fn a_picture_that_comes_behind_its_copy_is_fetched() {
    let world = World::new("overtaken_picture").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    for note in NOTED {
        world.admin(note).await;
    }
    let noted = "SELECT count(*) FROM messaging.noted";
    tenant.receiver.publish_copy(&picture(1), Uuid::now_v7()).await;
    assert_eq!(unread(&world, &house, &tenant, 1).await, [1]);
    assert_eq!(world.number(noted).await, 0, "LINE is not asked for a copy's");
    tenant.receiver.publish(&picture(1), false, false).await;
    eventually(SOON, || async { (world.number(noted).await == 1).then_some(()) }).await.unwrap();
    // Told again once more it changes nothing.
    tenant.receiver.publish_copy(&picture(1), Uuid::now_v7()).await;
    tenant.receiver.publish_copy(&text(HANAKO, 2), Uuid::now_v7()).await;
    assert_eq!(unread(&world, &house, &tenant, 2).await, [2]);
    assert_eq!(world.number(noted).await, 1);
    house.close().await;
}

#[tokio::test]
async fn a_message_that_comes_back_is_read_where_staff_have_read_something_later() {
    let world = World::new("told_again_read").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let rebuild = Uuid::now_v7();
    tenant.receiver.publish(&text(HANAKO, 5), false, false).await;
    assert_eq!(unread(&world, &house, &tenant, 1).await, [1]);
    // Nobody has read anything yet: what comes back is as new to them as the rest.
    tenant.receiver.publish_copy(&text(HANAKO, 1), rebuild).await;
    assert_eq!(unread(&world, &house, &tenant, 2).await, [2]);
    let conversation_id = house.list(&tenant).await[0].conversation_id.clone();
    let read = wire::MarkReadRequest { conversation_id, ..Default::default() };
    house.conversations(&tenant).mark_read(read).await.unwrap();
    tenant.receiver.publish_copy(&text(HANAKO, 2), rebuild).await;
    assert_eq!(unread(&world, &house, &tenant, 3).await, [0], "what stands before it has been read, too");
    tenant.receiver.publish_copy(&text(HANAKO, 9), rebuild).await;
    assert_eq!(unread(&world, &house, &tenant, 4).await, [1], "this stands behind it");
    tenant.receiver.publish_copy(&text(TARO, 3), rebuild).await;
    assert_eq!(unread(&world, &house, &tenant, 5).await, [1, 1], "another conversation is another matter");
    // An event of its own that comes late is no copy.
    tenant.receiver.publish(&text(HANAKO, 4), false, false).await;
    assert_eq!(unread(&world, &house, &tenant, 6).await, [1, 2]);
    house.close().await;
}

#[tokio::test]
async fn a_message_that_comes_back_is_read_where_staff_have_answered_later() {
    let world = World::new("told_again_answered").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let person = world.friend(&tenant).await;
    world.control.write_text(&tenant.card.channel_id, &person, "予約できますか").await.unwrap();
    let conversation = house.conversation_with(&tenant, 1).await;
    let sent = house.send(&tenant, &conversation.conversation_id, "はい", wire::SendPolicy::Unspecified).await;
    house.until(&tenant, &sent, messaging_outbox_core::state::MessageState::Accepted).await;
    assert_eq!(unread(&world, &house, &tenant, 2).await, [1]);
    let user = world.control.user_id(&tenant.card.channel_id, &person).await.unwrap();
    tenant.receiver.publish_copy(&text(user.as_str(), 1), Uuid::now_v7()).await;
    assert_eq!(unread(&world, &house, &tenant, 3).await, [1]);
    house.close().await;
}
