//! LINE names a sender by consent, which may be given or taken between a message and its edit or unsend: they meet all the same.

use contracts::messaging::v1 as wire;
use messaging_outbox_core::state::MessageState;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use testkit::eventually;

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

/// Each conversation's unread count, and what its messages say, by whether they were taken back.
async fn all(house: &House, tenant: &Tenant) -> Vec<(i32, Vec<(String, bool)>)> {
    let mut all = Vec::new();
    for conversation in house.list(tenant).await {
        let messages = house.messages_of(tenant, &conversation.conversation_id).await;
        let unsent = |message: &wire::Message| message.state == i32::from(MessageState::Unsent.code());
        let says = messages.iter().map(|message| (text(message).to_owned(), unsent(message)));
        let mut says: Vec<_> = says.collect();
        says.sort();
        all.push((conversation.unread_count, says));
    }
    all.sort();
    all
}

async fn until(house: &House, tenant: &Tenant, wanted: &[(i32, Vec<(&str, bool)>)]) {
    let own = |(text, unsent): &(&str, bool)| ((*text).to_owned(), *unsent);
    let mut wanted: Vec<(i32, Vec<(String, bool)>)> =
        wanted.iter().map(|(unread, says)| (*unread, says.iter().map(own).collect())).collect();
    wanted.sort();
    eventually(SOON, || async {
        let all = all(house, tenant).await;
        if all == wanted { Ok(()) } else { Err(format!("{all:?}")) }
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
            eventually(SOON, || async {
                let waiting = "SELECT count(*) FROM pg_stat_activity
                               WHERE datname = current_database() AND usename = 'messaging' AND wait_event_type = 'Lock'";
                let waiting = world.number(waiting).await;
                if waiting == number { Ok(()) } else { Err(waiting) }
            })
            .await
            .unwrap();
        }
        closed.commit().await.unwrap();
    }
    until(&house, &tenant, &[(1, vec![("words", false)]), (1, vec![("words", false)])]).await;
    assert_eq!(world.number("SELECT count(*) FROM messaging.parked_message").await, 0);
    house.close().await;
}
