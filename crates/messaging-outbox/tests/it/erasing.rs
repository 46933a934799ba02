//! An unsent message is nowhere any more: no row, no waiting event and no dead letter says it.

use contracts::messaging::v1 as wire;
use line_simulator::{Act, Media, Writing};
use messaging_outbox_core::state::MessageState;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::house::House;
use crate::world::{SOON, Tenant, World, send_request};

const WORDS: &str = "secret words";
const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";

/// Lets no message of these two be written.
const REFUSE: &str = "CREATE FUNCTION messaging.refuse_it() RETURNS trigger LANGUAGE plpgsql AS
                          $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
                      CREATE TRIGGER refuse_it BEFORE INSERT ON messaging.message FOR EACH ROW
                          WHEN (NEW.line_message_id IN ('66', '77')) EXECUTE FUNCTION messaging.refuse_it()";

/// One of LINE's events about a text, at `time` milliseconds.
fn event(kind: &str, id: u32, time: i64, named: bool, rest: &Value) -> String {
    let source = if named { json!({"type": "user", "userId": USER}) } else { json!({"type": "user"}) };
    let mut event = json!({"type": kind, "mode": "active", "timestamp": 1_700_000_000_000i64 + time, "source": source,
        "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XK{id:04}"), "deliveryContext": {"isRedelivery": false}});
    event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    event.to_string()
}

fn written(id: u32, message: &str, named: bool) -> String {
    event("message", id, 1, named, &json!({"message": {"id": message, "type": "text", "text": WORDS}}))
}

fn unsent(id: u32, message: &str, named: bool) -> String {
    event("unsend", id, 500, named, &json!({"unsend": {"messageId": message}}))
}

/// The states of all messages in all conversations, each with whether it has a content.
async fn states(house: &House, tenant: &Tenant) -> Vec<(i32, bool)> {
    let mut states = Vec::new();
    for conversation in house.list(tenant).await {
        let messages = house.messages_of(tenant, &conversation.conversation_id).await;
        states.extend(messages.iter().map(|message| (message.state, message.content.is_some())));
    }
    states
}

async fn until_all_are_unsent(house: &House, tenant: &Tenant, count: usize) {
    let gone = (i32::from(MessageState::Unsent.code()), false);
    eventually(SOON, || async {
        let states = states(house, tenant).await;
        if states == vec![gone; count] { Ok(()) } else { Err(format!("{states:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn no_table_says_any_more_what_was_unsent_and_it_cannot_be_quoted() {
    let world = World::new("erased").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let person = world.friend(&tenant).await;
    let account = &tenant.card.channel_id;
    let text = world.control.write_text(account, &person, WORDS).await.unwrap().message_id.unwrap();
    let media = Media { content_base64: Some("c2VjcmV0IHdvcmRz".to_owned()), ..Media::default() };
    let file = Writing::File { file_name: format!("{WORDS}.txt"), media };
    let file = world.control.act(account, &person, Act::Write(file)).await.unwrap().message_id.unwrap();
    let quoting = Writing::Text { text: "that one".to_owned(), extra: Some(json!({ "quotedMessageId": text })) };
    world.control.act(account, &person, Act::Write(quoting)).await.unwrap();
    let conversation = house.conversation_with(&tenant, 3).await;
    let messages = house.messages_of(&tenant, &conversation.conversation_id).await;
    let of = |line: &str| messages.iter().find(|message| message.line_message_id == line).unwrap().message_id.clone();
    let (text_id, file_id) = (of(&text), of(&file));
    let quote = |words: &str| {
        let mut request = send_request(&conversation.conversation_id, words, wire::SendPolicy::ReplyFirst);
        let content = wire::TextContent { text: words.to_owned(), quote_message_id: text_id.clone() };
        request.content = Some(wire::MessageContent { kind: Some(wire::message_content::Kind::Text(content)) });
        request
    };
    let answer = house.messages(&tenant).send_message(tenant.as_staff(quote("this one?"))).await.unwrap();
    let answer = answer.into_inner().message.unwrap().message_id;
    house.until(&tenant, &answer, MessageState::Accepted).await;
    eventually(SOON, || async {
        let kept = world.tables_that_say(WORDS).await;
        if kept.contains(&"content_chunk".to_owned()) { Ok(()) } else { Err(kept) }
    })
    .await
    .unwrap();

    for message in [&text, &file] {
        let unsend = Act::Unsend { message_id: message.clone() };
        world.control.act(account, &person, unsend).await.unwrap();
    }
    for id in [&text_id, &file_id] {
        house.until(&tenant, id, MessageState::Unsent).await;
    }
    assert_eq!(world.tables_that_say(WORDS).await, Vec::<String>::new());
    let status = house.messages(&tenant).send_message(tenant.as_staff(quote("again"))).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_details_bad_request().unwrap();
    assert_eq!(details.field_violations[0].field, "content.text.quote_message_id");
    house.close().await;
}

#[tokio::test]
async fn what_waits_or_was_given_up_is_erased_with_its_message_and_a_late_copy_brings_nothing_back() {
    let world = World::new("parked").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    world.admin(REFUSE).await;
    tenant.receiver.publish(&written(1, "66", true), false, false).await;
    tenant.receiver.publish(&written(2, "77", true), false, false).await;
    eventually(SOON, || async {
        let kept = "SELECT count(*) FROM messaging.parked_message WHERE payload IS NOT NULL";
        let kept = world.number(kept).await;
        if kept == 2 { Ok(()) } else { Err(kept) }
    })
    .await
    .unwrap();
    // One of them was given up meanwhile.
    world
        .admin(
            "UPDATE messaging.parked_message SET state = 'waiting', due_at = NULL, gave_up_at = now()
             WHERE event_id LIKE '%0002'",
        )
        .await;
    assert_eq!(world.tables_that_say(WORDS).await, ["parked_message"]);
    tenant.receiver.publish(&unsent(3, "66", true), false, false).await;
    tenant.receiver.publish(&unsent(4, "77", true), false, false).await;
    eventually(SOON, || async {
        let saying = world.tables_that_say(WORDS).await;
        if saying.is_empty() { Ok(()) } else { Err(saying) }
    })
    .await
    .unwrap();
    world.admin("DROP TRIGGER refuse_it ON messaging.message").await;
    tenant.receiver.publish(&written(5, "66", true), true, false).await;
    tenant.receiver.publish(&written(6, "77", true), true, false).await;
    until_all_are_unsent(&house, &tenant, 2).await;
    assert_eq!(world.tables_that_say(WORDS).await, Vec::<String>::new());
    house.close().await;
}

#[tokio::test]
async fn a_late_copy_that_cannot_be_handled_is_not_kept_for_later() {
    let world = World::new("late_copy").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    tenant.receiver.publish(&unsent(1, "66", true), false, false).await;
    eventually(SOON, || async {
        let buried = world.number("SELECT count(*) FROM messaging.tombstone").await;
        if buried == 1 { Ok(()) } else { Err(buried) }
    })
    .await
    .unwrap();
    world.admin(REFUSE).await;
    tenant.receiver.publish(&written(2, "66", true), false, false).await;
    // Another of the same sender is kept for later as ever.
    tenant.receiver.publish(&written(3, "77", true), false, false).await;
    eventually(SOON, || async {
        let dropped = "SELECT count(*) FROM messaging.parked_message WHERE state = 'dropped' AND payload IS NULL";
        let waiting = "SELECT count(*) FROM messaging.parked_message WHERE state = 'due' AND payload IS NOT NULL";
        let kept = (world.number(dropped).await, world.number(waiting).await);
        if kept == (1, 1) { Ok(()) } else { Err(kept) }
    })
    .await
    .unwrap();
    let tries = world.number("SELECT attempts::bigint FROM messaging.parked_message WHERE state = 'dropped'").await;
    assert_eq!(tries, 1, "it was never kept to be tried again");
    house.close().await;
}

#[tokio::test]
async fn what_is_put_aside_while_its_message_is_unsent_is_erased_too() {
    let world = World::new("aside_race").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    world.admin(REFUSE).await;
    let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    let mut closed = gate.begin().await.unwrap();
    // The copy is not yet put aside when the unsend comes, named otherwise and so beside it.
    sqlx::query("LOCK TABLE messaging.parked_message IN SHARE MODE").execute(&mut *closed).await.unwrap();
    for (number, event) in [(1, written(1, "66", true)), (2, unsent(2, "66", false))] {
        tenant.receiver.publish(&event, false, false).await;
        world.until_locked_out(number).await;
    }
    closed.commit().await.unwrap();
    eventually(SOON, || async {
        let dropped = world.number("SELECT count(*) FROM messaging.parked_message WHERE state = 'dropped'").await;
        if dropped == 1 { Ok(()) } else { Err(dropped) }
    })
    .await
    .unwrap();
    assert_eq!(world.tables_that_say(WORDS).await, Vec::<String>::new());
    house.close().await;
}
