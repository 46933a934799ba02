//! What waited for a tenant is kept in few transactions, and ends as if each event had been kept alone.

use messaging_outbox_core::state::MessageState;
use serde_json::{Value, json};
use testkit::eventually;

use crate::world::{SOON, World, text};

const USERS: u8 = 9;

/// An event of a user; `place` tells it from the user's others.
fn event(user: u8, place: u8, kind: &str, rest: &Value) -> String {
    let mut event = json!({"type": kind, "mode": "active", "timestamp": 1_700_000_000_000i64 + 1_000 * i64::from(place),
        "source": {"type": "user", "userId": format!("U{user:032x}")}, "webhookEventId": format!("01FZ74A0TDDPYRVKNK77XK{user:02}{place:02}"),
        "deliveryContext": {"isRedelivery": false}});
    event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    event.to_string()
}

fn message(user: u8, number: u8, text: &str) -> Value {
    json!({"message": {"id": format!("{user}000{number}"), "type": "text", "text": text}})
}

#[tokio::test]
async fn events_that_waited_are_kept_together_and_end_as_if_kept_one_by_one() {
    let world = World::new("backlog").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    house.close().await;
    let of = |user: u8| {
        let written = event(user, 1, "message", &message(user, 1, "first"));
        let other = event(user, 2, "message", &message(user, 2, "secret words"));
        let edited = event(user, 3, "messageEdited", &message(user, 1, "edited"));
        let unsent = event(user, 4, "unsend", &json!({"unsend": {"messageId": format!("{user}0002")}}));
        let tapped = event(user, 5, "postback", &json!({"postback": {"data": "x"}}));
        // A third of them in order, a third with edit and unsend first, a third with the messages last.
        match user % 3 {
            0 => [written, other, edited, unsent, tapped],
            1 => [edited, unsent, written, other, tapped],
            _ => [unsent, tapped, edited, other, written],
        }
    };
    let all: Vec<[String; 5]> = (0..USERS).map(of).collect();
    for place in 0..5 {
        for events in &all {
            tenant.receiver.publish(&events[place], false, false).await;
        }
    }
    let house = world.open().await;
    let conversations = eventually(SOON, || async {
        let conversations = house.list(&tenant).await;
        let versions: Vec<i64> = conversations.iter().map(|one| one.version).collect();
        if versions == [5; USERS as usize] { Ok(conversations) } else { Err(versions) }
    });
    for conversation in conversations.await.unwrap() {
        assert_eq!(conversation.unread_count, 1, "what was taken back is not unread");
        let messages = house.messages_of(&tenant, &conversation.conversation_id).await;
        let [latest, first] = messages.as_slice() else { panic!("{} messages", messages.len()) };
        assert_eq!((text(first), first.state), ("edited", MessageState::Received.code().into()));
        assert_eq!((latest.content.is_none(), latest.state), (true, MessageState::Unsent.code().into()));
    }
    assert_eq!(world.tables_that_say("secret words").await, Vec::<String>::new());
    assert_eq!(world.number("SELECT count(*) FROM messaging.conversation_change").await, 5 * i64::from(USERS));
    let transactions = world.number("SELECT count(DISTINCT changed) FROM messaging.conversation_change").await;
    assert!(transactions < 2 * i64::from(USERS), "{transactions} transactions");
    let latest =
        "SELECT count(*) FROM messaging.conversation c JOIN messaging.message m ON m.message_id = c.last_message_id
        WHERE m.unsend_time IS NOT NULL";
    assert_eq!(world.number(latest).await, i64::from(USERS), "the later message is the last one");
    house.close().await;
}
