//! LINE names a sender by consent, which may be given or taken between a message and its edit or unsend: they meet all the same.

use contracts::messaging::v1 as wire;
use kernel::{Clock as _, SystemClock};
use messaging_outbox_core::state::MessageState;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;
use tonic::Status;

use crate::house::House;
use crate::world::{SOON, Tenant, World, text};

const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";

/// What happened to a message, as LINE tells it `named` or not.
#[derive(Clone, Copy)]
struct Told {
    message: &'static str,
    named: bool,
}

impl Told {
    fn event(self, kind: &str, time: i64, rest: &Value) -> String {
        let source = if self.named { json!({"type": "user", "userId": USER}) } else { json!({"type": "user"}) };
        let mut event = json!({"type": kind, "mode": "active", "timestamp": 1_700_000_000_000i64 + time, "source": source,
            "webhookEventId": format!("01FZ74A0TDDPYRVKNK77X{time:01}{:0>4}", self.message),
            "deliveryContext": {"isRedelivery": false}});
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        event.to_string()
    }

    fn written(self) -> String {
        self.event("message", 1, &json!({"message": {"id": self.message, "type": "text", "text": "wrods"}}))
    }

    fn edited(self) -> String {
        self.event("messageEdited", 5, &json!({"message": {"id": self.message, "type": "text", "text": "words"}}))
    }

    fn unsent(self) -> String {
        self.event("unsend", 9, &json!({"unsend": {"messageId": self.message}}))
    }
}

fn told(message: &'static str, named: bool) -> Told {
    Told { message, named }
}

async fn publish(tenant: &Tenant, event: &str) {
    tenant.receiver.publish(event, false, false).await;
}

/// Each conversation's unread count, and what its messages say, by whether they were taken back. An error where one went away
/// while it was looked at: its message was brought to another.
async fn all(house: &House, tenant: &Tenant) -> Result<Vec<(i32, Vec<(String, bool)>)>, Status> {
    let mut all = Vec::new();
    for conversation in house.list(tenant).await {
        let messages = house.list_messages(tenant, &conversation.conversation_id).await?;
        let unsent = |message: &wire::Message| message.state == i32::from(MessageState::Unsent.code());
        let says = messages.iter().map(|message| (text(message).to_owned(), unsent(message)));
        let mut says: Vec<_> = says.collect();
        says.sort();
        all.push((conversation.unread_count, says));
    }
    all.sort();
    Ok(all)
}

async fn until(house: &House, tenant: &Tenant, wanted: &[(i32, Vec<(&str, bool)>)]) {
    let own = |(text, unsent): &(&str, bool)| ((*text).to_owned(), *unsent);
    let mut wanted: Vec<(i32, Vec<(String, bool)>)> =
        wanted.iter().map(|(unread, says)| (*unread, says.iter().map(own).collect())).collect();
    wanted.sort();
    eventually(SOON, || async {
        let all = all(house, tenant).await;
        if all.as_ref().is_ok_and(|all| *all == wanted) { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_message_is_unsent_also_when_line_names_its_sender_by_then_or_no_more() {
    let world = World::new("consent").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    publish(&tenant, &told("1", false).written()).await;
    publish(&tenant, &told("2", true).written()).await;
    until(&house, &tenant, &[(1, vec![("wrods", false)]), (1, vec![("wrods", false)])]).await;
    publish(&tenant, &told("1", true).unsent()).await;
    publish(&tenant, &told("2", false).unsent()).await;
    until(&house, &tenant, &[(0, vec![("", true)]), (0, vec![("", true)])]).await;
    // And the other way round: the unsend first.
    publish(&tenant, &told("3", true).unsent()).await;
    publish(&tenant, &told("3", false).written()).await;
    until(&house, &tenant, &[(0, vec![("", true)]), (0, vec![("", true)]), (0, vec![("", true)])]).await;
    assert!(world.tables_that_say("wrods").await.is_empty());
    house.close().await;
}

#[tokio::test]
async fn what_comes_before_its_message_and_names_nobody_leaves_no_conversation_behind() {
    let world = World::new("consent_late").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    publish(&tenant, &told("1", false).edited()).await;
    until(&house, &tenant, &[(1, vec![("words", false)])]).await;
    publish(&tenant, &told("1", true).written()).await;
    publish(&tenant, &told("2", true).written()).await;
    until(&house, &tenant, &[(2, vec![("words", false), ("wrods", false)])]).await;
    publish(&tenant, &told("3", false).unsent()).await;
    eventually(SOON, || async {
        let buried = world.number("SELECT count(*) FROM messaging.tombstone").await;
        if buried == 1 { Ok(()) } else { Err(buried) }
    })
    .await
    .unwrap();
    assert_eq!(house.list(&tenant).await.len(), 1, "nobody knows whose it was");
    publish(&tenant, &told("3", true).written()).await;
    until(&house, &tenant, &[(2, vec![("", true), ("words", false), ("wrods", false)])]).await;
    house.close().await;
}

#[tokio::test]
async fn a_message_brought_to_its_chat_takes_its_reply_token_along_and_is_the_latest_of_no_other() {
    let world = World::new("consent_brought").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    // Young, for old reply tokens are not kept.
    let young = |message: &str, text: &str, token: &str| {
        json!({"message": {"id": message, "type": "text", "text": text}, "replyToken": token,
            "timestamp": SystemClock.now().timestamp_millis()})
    };
    let written = young("1", "wrods", "b60d432864f44d079f6d8efe86cf404b");
    publish(&tenant, &told("1", true).event("message", 1, &written)).await;
    let edit = young("2", "words", "0f3779fba3b349968c5d07db31eab56f");
    publish(&tenant, &told("2", true).event("messageEdited", 5, &edit)).await;
    until(&house, &tenant, &[(2, vec![("words", false), ("wrods", false)])]).await;
    publish(&tenant, &told("2", false).written()).await;
    until(&house, &tenant, &[(1, vec![("words", false)]), (1, vec![("wrods", false)])]).await;
    let brought =
        "SELECT count(*) FROM messaging.reply_token JOIN messaging.message m USING (tenant_id, conversation_id)
                   WHERE m.line_message_id = '2'";
    assert_eq!(world.number(brought).await, 1, "its own");
    assert_eq!(
        world.number("SELECT count(*) FROM messaging.reply_token").await,
        2,
        "the other stays with the other message"
    );
    let latest = "SELECT count(*) FROM messaging.conversation c
                  JOIN messaging.message m ON m.message_id = c.last_message_id AND m.conversation_id = c.conversation_id";
    assert_eq!(world.number(latest).await, 2);
    house.close().await;
}

#[tokio::test]
async fn a_message_and_its_edit_at_the_same_moment_meet_though_line_names_the_sender_in_one_of_them_only() {
    let world = World::new("consent_race").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let mut gate = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    for (message, named) in [("1", true), ("2", false)] {
        // Whoever writes the message waits until the edit is at work, too.
        let mut closed = gate.begin().await.unwrap();
        sqlx::query("LOCK TABLE messaging.message IN SHARE ROW EXCLUSIVE MODE").execute(&mut *closed).await.unwrap();
        for (number, event) in [(1, told(message, named).written()), (2, told(message, !named).edited())] {
            publish(&tenant, &event).await;
            world.until_locked_out(number).await;
        }
        closed.commit().await.unwrap();
    }
    until(&house, &tenant, &[(1, vec![("words", false)]), (1, vec![("words", false)])]).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.parked_message").await, 0);
    house.close().await;
}
