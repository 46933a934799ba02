//! Texts at LINE's limits and texts that databases dislike.

use contracts::events::v1::AccountState;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::message_content::Kind;
use line_simulator::BooksQuery;
use messaging_outbox_core::state::MessageState;
use serde_json::json;
use testkit::eventually;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::world::{SOON, World, send_request, text};

#[tokio::test]
async fn a_text_is_taken_up_to_lines_limit_and_what_is_wrong_is_named() {
    let world = World::new("texts").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    let id = &conversation.conversation_id;
    // LINE counts UTF-16 code units: two for each of these.
    let longest = "𠮷".repeat(2_500);
    let sent = house.send(&tenant, id, &longest, wire::SendPolicy::PushOnly).await;
    assert_eq!(text(&house.until(&tenant, &sent, MessageState::Accepted).await), longest);
    let nul = house.send(&tenant, id, "a\0b", wire::SendPolicy::PushOnly).await;
    assert_eq!(text(&house.until(&tenant, &nul, MessageState::Accepted).await), "a\0b");

    let violations = |content: Option<Kind>| {
        let mut request = send_request(id, "", wire::SendPolicy::PushOnly);
        request.content = Some(wire::MessageContent { kind: content });
        let mut client = house.messages(&tenant);
        async move {
            let status = client.send_message(request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            let violations = status.get_details_bad_request().unwrap().field_violations;
            violations.into_iter().map(|one| (one.field, one.description)).collect::<Vec<_>>()
        }
    };
    let refused = |content: Option<Kind>| {
        let violations = violations(content);
        async move { violations.await.remove(0).0 }
    };
    let words = |text: String| Some(Kind::Text(wire::TextContent { text, ..Default::default() }));
    assert_eq!(refused(words(format!("{longest}x"))).await, "content.text");
    assert_eq!(refused(words(String::new())).await, "content.text");
    assert_eq!(refused(words("x".repeat(3_000_000))).await, "content.text");
    assert_eq!(refused(None).await, "content");
    let quote = wire::TextContent { text: "x".to_owned(), quote_message_id: "\0".to_owned() };
    assert_eq!(refused(Some(Kind::Text(quote))).await, "content.text.quote_message_id");
    let sticker = wire::StickerContent { package_id: "\0".to_owned(), ..Default::default() };
    assert!(refused(Some(Kind::Sticker(sticker))).await.starts_with("content."));
    let place = |latitude, longitude| {
        let (title, address) = ("x".to_owned(), "y".to_owned());
        Some(Kind::Location(wire::LocationContent { title, address, latitude, longitude }))
    };
    let told = |field: &str, why: &str| (field.to_owned(), why.to_owned());
    let (north, east) = (told("content.latitude", "is not a number"), told("content.longitude", "is not a number"));
    assert_eq!(violations(place(f64::NAN, 1.0)).await, std::slice::from_ref(&north));
    assert_eq!(violations(place(f64::INFINITY, f64::NEG_INFINITY)).await, [north, east]);
    assert_eq!(violations(place(91.0, 1.0)).await, [told("content.latitude", "must be between -90 and 90")]);
    let number = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(f64::NAN)) };
    let object = prost_types::Struct { fields: [("x".to_owned(), number)].into() };
    let unsayable = told("content.line_object", "holds what is not a number as a number");
    assert_eq!(violations(Some(Kind::LineObject(object))).await, [unsayable]);
    assert_eq!(world.number("SELECT count(*) FROM messaging.send").await, 0);

    let request = wire::SendMessageRequest {
        request_id: "not\0an ID".to_owned(),
        ..send_request(id, "x", wire::SendPolicy::PushOnly)
    };
    let status = house.messages(&tenant).send_message(request).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "request_id");
    let request = wire::SendMessageRequest { conversation_id: "\0".to_owned(), ..Default::default() };
    let status = house.messages(&tenant).send_message(request).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "conversation_id");
    for note in ["\0".to_owned(), "x".repeat(501)] {
        let request = wire::SettleMessageRequest { message_id: sent.clone(), arrived: true, note };
        let status = house.messages(&tenant).settle_message(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "note");
    }
    house.close().await;
}

#[tokio::test]
async fn five_messages_go_as_one_request_and_the_sixth_as_another() {
    let world = World::new("packs").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let (_, conversation) = house.conversing(&world, &tenant).await;
    // Nothing leaves before all are queued.
    let none = line_simulator::AccountSettings { quota: Some(Some(0)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &none).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..6 {
        let text = format!("line {number}");
        ids.push(house.send(&tenant, &conversation.conversation_id, &text, wire::SendPolicy::PushOnly).await);
    }
    house.until(&tenant, &ids[0], MessageState::WaitingForQuota).await;
    house.close().await;
    let more = line_simulator::AccountSettings { quota: Some(Some(2)), ..Default::default() };
    world.control.change_account(&tenant.card.channel_id, &more).await.unwrap();
    world.admin("UPDATE messaging.send SET due = now()").await;
    let house = world.open().await;
    world.connect_account(&tenant, 2, AccountState::Connected).await;
    for id in &ids {
        house.until(&tenant, id, MessageState::Accepted).await;
    }
    let query = BooksQuery { account: Some(tenant.card.channel_id.clone()), ..Default::default() };
    let sent: Vec<usize> = world.control.sent(&query).await.unwrap().iter().map(|sent| sent.messages.len()).collect();
    assert_eq!(sent, [5, 1]);
    // LINE counts a request for each recipient, not the messages in it (D-3), and so do we.
    let request = wire::GetQuotaRequest { account_id: tenant.account.to_string() };
    assert_eq!(house.quota(&tenant).get_quota(request).await.unwrap().into_inner().sent_by_push, 2);
    house.close().await;
}

#[tokio::test]
async fn what_no_text_and_no_number_can_hold_is_kept_and_stops_nobody() {
    let world = World::new("nul").await;
    let house = world.open().await;
    let tenant = world.tenant(&house).await;
    let event = |id: u32, message: &str| {
        format!(
            r#"{{"type":"message","mode":"active","timestamp":170000000000{id},"replyToken":"t\u0000{id}",
            "source":{{"type":"user","userId":"U4af4980629aaaabbbbccccddddeeee00"}},
            "webhookEventId":"01FZ74A0TDDPYRVKNK77XKC3Z{id}","deliveryContext":{{"isRedelivery":false}},
            "message":{{"id":"{id}",{message}}}}}"#
        )
    };
    let messages = [
        r#""type":"text","text":"a\u0000b","quoteToken":"q\u0000""#,
        r#""type":"file","fileName":"a\u0000b","fileSize":3"#,
        r#""type":"sticker","packageId":"1","stickerId":"2","keywords":["a\u0000b"]"#,
        r#""type":"hologram","a\u0000b":"a\u0000b""#,
        r#""type":"location","title":"a\u0000b","latitude":1.5,"longitude":2.5"#,
        &format!(r#""type":"file","fileName":"x","fileSize":{}"#, "1".repeat(5_000)),
        r#""type":"text","text":"the next""#,
    ];
    for (place, message) in (1..).zip(messages) {
        tenant.receiver.publish(&event(place, message), false, false).await;
    }
    let conversation = house.conversation_with(&tenant, messages.len()).await;
    let kept = house.messages_of(&tenant, &conversation.conversation_id).await;
    let kinds: Vec<_> = kept.iter().rev().map(|message| message.content.clone().unwrap().kind.unwrap()).collect();
    assert!(matches!(&kinds[0], Kind::Text(text) if text.text == "a\0b"), "{kinds:?}");
    assert!(matches!(&kinds[1], Kind::Media(media) if media.file_name == "a\0b"), "{kinds:?}");
    assert!(matches!(&kinds[2], Kind::Sticker(sticker) if sticker.keywords == ["a\0b"]), "{kinds:?}");
    assert!(matches!(&kinds[3], Kind::LineObject(object) if object.fields.contains_key("a\0b")), "{kinds:?}");
    assert!(matches!(&kinds[4], Kind::Location(place) if place.title == "a\0b"), "{kinds:?}");
    assert!(matches!(&kinds[5], Kind::Media(media) if media.file_name == "x" && media.size == 0), "{kinds:?}");
    assert_eq!(text(&kept[0]), "the next");
    assert_eq!(world.number("SELECT count(*) FROM messaging.parked_message").await, 0);

    // JSON can say half a character, which no text can hold: set aside, and it keeps nobody waiting.
    let half = tenant.receiver.clone();
    let mut body = contracts::events::v1::LineWebhookEvent {
        account_id: tenant.account.to_string(),
        webhook_event_id: "01FZ74A0TDDPYRVKNK77XKC3Z8".to_owned(),
        event_type: "message".to_owned(),
        occur_time: Some(contracts::timestamp(crate::receiver::now())),
        raw: event(8, r#""type":"text","text":"a\ud800b""#).into_bytes().into(),
        ..Default::default()
    };
    half.publish_body(&body).await;
    body.webhook_event_id = "01FZ74A0TDDPYRVKNK77XKC3Z9".to_owned();
    body.raw = json!({"type": "message", "timestamp": 1_700_000_000_009i64, "message": {"id": "9", "type": "text", "text": "on"},
        "source": {"type": "user", "userId": "U4af4980629aaaabbbbccccddddeeee00"}})
    .to_string()
    .into_bytes()
    .into();
    half.publish_body(&body).await;
    eventually(SOON, || async {
        let kept = house.messages_of(&tenant, &conversation.conversation_id).await;
        if kept.iter().any(|message| text(message) == "on") { Ok(()) } else { Err(kept.len()) }
    })
    .await
    .unwrap();
    house.close().await;
}
