//! Webhook bodies as LINE sends them, and as nobody should.
#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use line_types::webhook::{
    Content, ContentProvider, Envelope, EnvelopeError, Event, EventError, EventFault, EventKind, LinkResult, MAX_DEPTH,
    MAX_EVENTS, MembershipKind, MentioneeKind, Mode, Source, SourceKind, StickerResourceType,
};
use serde_json::{Value, json};

const BOT: &str = "U8e742f61d673b39c7fff3cecb7536ef0";
const USER: &str = "U4af4980629aaaabbbbccccddddeeee00";
const GROUP: &str = "Ca56f94637caaaabbbbccccddddeeee00";
const EVENT_ID: &str = "01FZ74A0TDDPYRVKNK77XKC3ZR";

fn event(kind: &str, more: &Value) -> Value {
    let mut event = json!({
        "type": kind, "mode": "active", "timestamp": 1_625_665_242_211_i64, "webhookEventId": EVENT_ID,
        "source": {"type": "user", "userId": USER}, "deliveryContext": {"isRedelivery": false},
        "replyToken": "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA",
    });
    for (name, value) in more.as_object().unwrap() {
        if value.is_null() {
            event.as_object_mut().unwrap().remove(name);
        } else {
            event[name] = value.clone();
        }
    }
    event
}

fn parse(event: &Value) -> Event {
    Event::parse(&event.to_string()).unwrap()
}

fn body(events: &[Value]) -> Vec<u8> {
    json!({"destination": BOT, "events": events}).to_string().into_bytes()
}

#[test]
fn an_empty_body_only_tests_the_address() {
    let body = body(&[]);
    let envelope = Envelope::parse(&body).unwrap();
    assert_eq!(envelope.destination, BOT);
    assert!(envelope.events.is_empty());
}

#[test]
fn the_envelope_tells_what_receiving_needs() {
    let text =
        event("message", &json!({"message": {"type": "text", "id": "444573844083572737", "text": "こんにちは"}}));
    let unsend = event(
        "unsend",
        &json!({"unsend": {"messageId": "325708"}, "replyToken": null, "mode": "standby",
            "deliveryContext": {"isRedelivery": true}, "source": {"type": "group", "groupId": GROUP}}),
    );
    let failed_link =
        event("accountLink", &json!({"source": null, "replyToken": null, "link": {"result": "failed", "nonce": "n"}}));
    let body = body(&[text, unsend, failed_link]);
    let envelope = Envelope::parse(&body).unwrap();

    let facts = envelope.events[0].facts.as_ref().unwrap();
    assert_eq!(facts.webhook_event_id.as_ref().unwrap().as_str(), EVENT_ID);
    assert_eq!(facts.event_type, "message");
    assert_eq!(facts.timestamp, 1_625_665_242_211);
    assert_eq!(facts.mode, Mode::Active);
    assert!(!facts.is_redelivery);
    assert_eq!(facts.source.as_ref().unwrap().user_id.as_ref().unwrap().as_str(), USER);
    assert_eq!(facts.reply_token.as_deref(), Some("nHuyWiB7yP5Zw52FIkcQobQuGDXCTA"));
    assert_eq!(facts.message_id.as_ref().unwrap().as_str(), "444573844083572737");

    let facts = envelope.events[1].facts.as_ref().unwrap();
    assert_eq!(facts.mode, Mode::Standby);
    assert!(facts.is_redelivery);
    assert_eq!(facts.message_id.as_ref().unwrap().as_str(), "325708");
    let source = facts.source.as_ref().unwrap();
    assert_eq!((source.kind.clone(), source.user_id.clone()), (SourceKind::Group, None));
    assert_eq!(source.group_id.as_ref().unwrap().as_str(), GROUP);
    assert!(facts.reply_token.is_none());

    assert!(envelope.events[2].facts.as_ref().unwrap().source.is_none());
}

#[test]
fn a_slice_is_the_exact_text_of_its_event() {
    let body =
        format!(r#"{{ "events" : [ {{"type" : "follow",  "timestamp":1 }} , 7 ], "new":[1], "destination":"{BOT}" }}"#);
    let envelope = Envelope::parse(body.as_bytes()).unwrap();
    assert_eq!(envelope.events[0].raw.get(), r#"{"type" : "follow",  "timestamp":1 }"#);
    assert_eq!(envelope.events[0].facts.as_ref().unwrap().webhook_event_id, None);
    assert_eq!(envelope.events[1].facts, Err(EventFault::NotAnObject));
}

#[test]
fn one_broken_event_never_spoils_the_others() {
    let good = event("follow", &json!({"follow": {"isUnblocked": false}}));
    let mut deep = json!(1);
    for _ in 0..MAX_DEPTH {
        deep = json!([deep]);
    }
    let broken = [
        (json!(null), EventFault::NotAnObject),
        (json!([good]), EventFault::NotAnObject),
        (json!(["follow", 1, null, null, null, null, null, null, null]), EventFault::NotAnObject),
        (json!({"timestamp": 1}), EventFault::NoType),
        (json!({"type": "a.b", "timestamp": 1}), EventFault::NoType),
        (json!({"type": "", "timestamp": 1}), EventFault::NoType),
        (json!({"type": "x".repeat(65), "timestamp": 1}), EventFault::NoType),
        (json!({"type": "follow"}), EventFault::NoTimestamp),
        (json!({"type": "follow", "timestamp": "soon"}), EventFault::NoTimestamp),
        (event("follow", &json!({"deep": deep})), EventFault::TooDeep),
    ];
    for (bad, fault) in broken {
        let body = body(&[good.clone(), bad, good.clone()]);
        let envelope = Envelope::parse(&body).unwrap();
        assert_eq!(envelope.events[1].facts, Err(fault));
        assert!(envelope.events[0].facts.is_ok() && envelope.events[2].facts.is_ok());
    }
}

#[test]
fn properties_of_another_shape_count_as_absent() {
    let odd = event(
        "message",
        &json!({"source": "user", "replyToken": 7, "webhookEventId": "not-a-ulid", "deliveryContext": [true],
            "message": {"id": 12}, "mode": 3}),
    );
    let body = body(std::slice::from_ref(&odd));
    let envelope = Envelope::parse(&body).unwrap();
    let facts = envelope.events[0].facts.as_ref().unwrap();
    assert!(facts.source.is_none() && facts.reply_token.is_none() && facts.webhook_event_id.is_none());
    assert!(facts.message_id.is_none() && !facts.is_redelivery);
    assert_eq!(facts.mode, Mode::Active);
    assert_eq!(parse(&odd).kind, EventKind::Other);
}

#[test]
fn what_is_no_webhook_is_refused() {
    for body in [
        "",
        "null",
        r#"["U",[]]"#,
        "[]",
        "{",
        r#"{"destination":"U"}"#,
        r#"{"events":[]}"#,
        r#"{"destination":1,"events":[]}"#,
    ] {
        assert!(matches!(Envelope::parse(body.as_bytes()), Err(EnvelopeError::NotAWebhook { .. })), "{body}");
    }
    assert!(matches!(Envelope::parse(&[0xff, 0xfe]), Err(EnvelopeError::NotAWebhook { .. })));
    let many = body(&vec![json!(0); MAX_EVENTS + 1]);
    assert_eq!(Envelope::parse(&many).unwrap_err(), EnvelopeError::TooManyEvents(MAX_EVENTS + 1));
    assert_eq!(Envelope::parse(&body(&vec![json!(0); MAX_EVENTS])).unwrap().events.len(), MAX_EVENTS);
    assert_eq!(Event::parse("[").unwrap_err(), EventError::NotJson);
    assert_eq!(Event::parse("[]").unwrap_err(), EventError::NotAnObject);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Event::parse(&deep).unwrap_err(), EventError::TooDeep);
}

#[test]
fn texts_keep_emoji_and_mentions() {
    let parsed = parse(&event(
        "message",
        &json!({"message": {
            "type": "text", "id": "444573844083572737", "quoteToken": "q3Plxr4AgKd", "markAsReadToken": "m1",
            "quotedMessageId": "468789532432007169", "text": "@All @example Good Morning!! (love)",
            "emojis": [{"index": 29, "length": 6, "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "001"}, {"index": "?"}],
            "mention": {"mentionees": [
                {"index": 0, "length": 4, "type": "all"},
                {"index": 5, "length": 8, "type": "user", "userId": USER, "isSelf": true},
                {"index": 5, "length": 8, "type": "robot"},
            ]},
        }}),
    ));
    let EventKind::Message(message) = parsed.kind else { panic!("not a message") };
    assert_eq!(message.quote_token.as_deref(), Some("q3Plxr4AgKd"));
    assert_eq!(message.mark_as_read_token.as_deref(), Some("m1"));
    assert_eq!(message.quoted_message_id.unwrap().as_str(), "468789532432007169");
    let Content::Text(text) = message.content else { panic!("not a text") };
    assert_eq!(text.text, "@All @example Good Morning!! (love)");
    assert_eq!(text.emojis.len(), 1, "an emoji of another shape is left out");
    assert_eq!(text.mentions[0].kind, MentioneeKind::All);
    assert_eq!((text.mentions[1].is_self, text.mentions[1].user_id.is_some()), (Some(true), true));
    assert_eq!(text.mentions[2].kind, MentioneeKind::Other("robot".into()));
}

#[test]
fn every_message_content_is_read() {
    let content = |message: Value| {
        let mut message = message;
        message["id"] = json!("1");
        match parse(&event("message", &json!({"message": message}))).kind {
            EventKind::Message(message) => message.content,
            other => panic!("{other:?}"),
        }
    };
    let Content::Image { provider, set } = content(json!({"type": "image", "contentProvider": {"type": "line"},
        "imageSet": {"id": "E005D41A", "index": 1, "total": 2}}))
    else {
        panic!("not an image")
    };
    assert_eq!(provider, ContentProvider::Line);
    assert_eq!(set.unwrap().total, Some(2));
    let video = content(json!({"type": "video", "duration": 60000, "contentProvider": {"type": "external",
        "originalContentUrl": "https://example.com/a.mp4", "previewImageUrl": "https://example.com/a.jpg"}}));
    assert!(!video.is_kept_by_line());
    let Content::Video(video) = video else { panic!("not a video") };
    assert_eq!(video.duration_ms, Some(60_000));
    assert!(matches!(video.provider, ContentProvider::External { original_content_url: Some(_), .. }));
    let audio = content(json!({"type": "audio", "contentProvider": {"type": "line"}}));
    assert!(audio.is_kept_by_line());
    let file = content(json!({"type": "file", "fileName": "file.txt", "fileSize": 2138}));
    assert_eq!(file, Content::File { name: "file.txt".into(), size: 2138 });
    let place = content(json!({"type": "location", "latitude": 35.68, "longitude": 139.70}));
    assert!(matches!(place, Content::Location { title: None, .. }));
    let Content::Sticker(sticker) = content(json!({"type": "sticker", "packageId": "1", "stickerId": "2",
        "stickerResourceType": "HOLOGRAM", "keywords": ["cony", 7], "text": "hi"}))
    else {
        panic!("not a sticker")
    };
    assert_eq!(sticker.resource_type, Some(StickerResourceType::Other("HOLOGRAM".into())));
    assert_eq!(sticker.keywords, ["cony"]);
    assert_eq!(content(json!({"type": "hologram"})), Content::Other { kind: "hologram".into() });
    assert_eq!(content(json!({"type": "text"})), Content::Other { kind: "text".into() });
}

#[test]
fn every_other_event_is_read() {
    let kind = |name: &str, more: Value| parse(&event(name, &more)).kind;
    assert_eq!(
        kind("follow", json!({"follow": {"isUnblocked": true}})),
        EventKind::Follow { is_unblocked: Some(true) }
    );
    assert_eq!(kind("follow", json!({})), EventKind::Follow { is_unblocked: None });
    assert_eq!(kind("unfollow", json!({})), EventKind::Unfollow);
    assert_eq!(kind("join", json!({})), EventKind::Join);
    assert_eq!(kind("leave", json!({})), EventKind::Leave);
    let EventKind::MemberJoined(members) =
        kind("memberJoined", json!({"joined": {"members": [{"type": "user", "userId": USER}, {"type": "user"}]}}))
    else {
        panic!("not a join")
    };
    assert_eq!(members[0].user_id().unwrap().as_str(), USER);
    assert_eq!(members[1], Source::User { user_id: None });
    assert!(
        matches!(kind("memberLeft", json!({"left": {"members": []}})), EventKind::MemberLeft(gone) if gone.is_empty())
    );
    let EventKind::Postback(postback) =
        kind("postback", json!({"postback": {"data": "a=1", "params": {"datetime": "2017-12-25T01:00"}}}))
    else {
        panic!("not a postback")
    };
    assert_eq!(postback.params["datetime"], "2017-12-25T01:00");
    let complete = kind("videoPlayComplete", json!({"videoPlayComplete": {"trackingId": "t"}}));
    assert_eq!(complete, EventKind::VideoPlayComplete { tracking_id: "t".into() });
    assert!(matches!(kind("beacon", json!({"beacon": {"hwid": "d41d8cd98f", "type": "enter"}})), EventKind::Beacon(_)));
    let EventKind::AccountLink(link) =
        kind("accountLink", json!({"source": null, "link": {"result": "failed", "nonce": "n"}}))
    else {
        panic!("not a link")
    };
    assert_eq!((link.result, link.nonce.as_str()), (LinkResult::Failed, "n"));
    let EventKind::Membership(membership) =
        kind("membership", json!({"membership": {"type": "renewed", "membershipId": 3189}}))
    else {
        panic!("not a membership")
    };
    assert_eq!((membership.kind, membership.membership_id), (MembershipKind::Renewed, 3189));
    assert_eq!(
        kind("delivery", json!({"source": null, "delivery": {"data": "d"}})),
        EventKind::Delivery { data: "d".into() }
    );
    assert!(matches!(kind("module", json!({"module": {"type": "detached", "botId": BOT}})), EventKind::Module(_)));
    let activated = kind("activated", json!({"chatControl": {"expireAt": 1_462_629_479_859_i64}}));
    assert_eq!(activated, EventKind::Activated { expire_at: Some(1_462_629_479_859) });
    assert_eq!(kind("deactivated", json!({})), EventKind::Deactivated);
    assert_eq!(kind("botSuspended", json!({})), EventKind::BotSuspended);
    assert_eq!(kind("botResumed", json!({})), EventKind::BotResumed);
    let edited = json!({"message": {"type": "text", "id": "1", "text": "later", "quoteToken": "q"}});
    assert!(matches!(kind("messageEdited", edited), EventKind::MessageEdited(_)));
    assert_eq!(
        kind("unsend", json!({"unsend": {"messageId": "9"}})),
        kind("unsend", json!({"unsend": {"messageId": "9", "new": 1}}))
    );
}

#[test]
fn what_is_unknown_is_kept() {
    let parsed = parse(&event("hologram", &json!({"source": {"type": "planet"}, "hologram": {"deep": [1, 2]}})));
    assert_eq!(parsed.kind, EventKind::Other);
    assert_eq!(parsed.event_type, "hologram");
    assert_eq!(parsed.raw["hologram"], json!({"deep": [1, 2]}));
    assert_eq!(parsed.source, Some(Source::Other { kind: "planet".into() }));
    assert_eq!(parse(&json!({})).timestamp, 0);
}

#[test]
fn a_text_cut_through_an_emoji_is_not_lost() {
    let raw = r#"{"type":"message","timestamp":1,"message":{"type":"text","id":"1","text":"hi \ud83d"}}"#;
    let body = format!(r#"{{"destination":"{BOT}","events":[{raw}]}}"#);
    assert!(Envelope::parse(body.as_bytes()).unwrap().events[0].facts.is_ok());
    let EventKind::Message(message) = Event::parse(raw).unwrap().kind else { panic!("not a message") };
    assert!(matches!(message.content, Content::Text(text) if text.text == "hi \u{fffd}"));
}

#[test]
fn a_number_nobody_can_hold_loses_no_event() {
    let long = "1".repeat(5_000);
    for (number, timestamp) in [(long.as_str(), i64::MAX), ("-1e999", i64::MIN), ("1.7e12", 1_700_000_000_000)] {
        let raw = format!(
            r#"{{"type":"message","timestamp":{number},"x":[{long}],"source":{{"type":"user","userId":"{USER}"}}}}"#
        );
        let body = format!(r#"{{"destination":"{BOT}","events":[{raw}]}}"#);
        let envelope = Envelope::parse(body.as_bytes()).unwrap();
        assert_eq!(envelope.events[0].facts.as_ref().unwrap().timestamp, timestamp);
        let full = Event::parse(envelope.events[0].raw.get()).unwrap();
        assert_eq!((full.timestamp, full.raw["x"][0].as_f64()), (timestamp, Some(1e308)));
        assert_eq!(full.source.unwrap().user_id().unwrap().as_str(), USER);
    }
}

#[test]
fn nothing_personal_is_shown() {
    let message = event("message", &json!({"message": {"type": "text", "id": "1", "text": "secret words"}}));
    let parsed = parse(&message);
    let body = body(std::slice::from_ref(&message));
    let envelope = Envelope::parse(&body).unwrap();
    let shown = format!("{parsed:?} {:?} {:?} {envelope:?} {:?}", parsed.kind, parsed.source, envelope.events);
    assert!(!shown.contains("secret words") && !shown.contains(USER), "{shown}");
    assert!(shown.contains(EVENT_ID));
}
