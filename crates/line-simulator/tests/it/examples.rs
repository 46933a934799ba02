//! Every example and every kind of event and message of LINE's OpenAPI files, tried on the simulator.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::fidelity::operations;
use crate::objects;
use crate::rich_menu::ready;
use crate::schema::Document;
use crate::stage::{Stage, text_message};

/// Examples of answers that are no answer of the simulator's, each with its reason.
const NOT_ANSWERED: [(&str, &str); 12] = [
    ("get /v2/bot/message/progress/narrowcast", "not here"),
    ("get /v2/bot/message/delivery/pnp", "not here"),
    ("get /v2/bot/membership/subscription/{userId}", "not here"),
    ("get /v2/bot/membership/list", "not here"),
    ("get /v2/bot/membership/{membershipId}/users/ids", "not here"),
    ("get /v2/bot/insight/demographic", "not here"),
    ("get /v2/bot/insight/message/delivery", "not here"),
    ("get /v2/bot/insight/message/event", "not here"),
    ("get /v2/bot/insight/message/event/aggregation", "not here"),
    ("get /v2/bot/insight/richmenu/{richMenuId}/summary", "not here"),
    ("get /v2/bot/insight/richmenu/{richMenuId}/daily", "not here"),
    (
        "get /v2/bot/message/aggregation/list",
        "its `next` is there only where there is a next page: a test of its own shows it",
    ),
];
/// Properties of LINE's examples that an answer has only where there is something to say.
const OPTIONAL: [&str; 5] = ["next", "pictureUrl", "statusMessage", "language", "selected"];

#[tokio::test]
async fn every_event_of_lines_file_can_be_sent() {
    let stage = Stage::new().await;
    let events = Document::read("webhook.yml").variants("Event");
    let contents = Document::read("webhook.yml").variants("MessageContent");
    let mut sent = Vec::new();
    for (kind, mut event) in events {
        event["type"] = json!(kind);
        sent.push(event.clone());
        if kind == "message" {
            for (content, mut sample) in contents.clone() {
                sample["type"] = json!(content);
                event["message"] = sample;
                sent.push(event.clone());
            }
        }
    }
    assert!(sent.len() >= 19 + 7, "{}", sent.len());
    for event in &sent {
        stage.control.raw_event(&stage.account.channel_id, event).await.unwrap();
    }
    let received = stage.receiver.requests(sent.len()).await;
    for (got, event) in received.iter().zip(&sent) {
        let envelope = line_types::webhook::Envelope::parse(&got.body).unwrap();
        let facts = envelope.events[0].facts.as_ref().unwrap();
        assert_eq!(facts.event_type, event["type"].as_str().unwrap());
        let parsed = line_types::webhook::Event::parse(&got.events()[0].to_string()).unwrap();
        assert_ne!(parsed.kind, line_types::webhook::EventKind::Other, "{event}");
        for (property, value) in event.as_object().unwrap() {
            assert_eq!(&got.events()[0][property], value, "{property}");
        }
    }
}

#[tokio::test]
async fn every_message_object_of_lines_file_is_accepted() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let all = objects::all();
    let document = Document::read("messaging-api.yml");
    let tried: BTreeSet<(&str, &str)> = all.iter().map(|(schema, kind, _)| (*schema, *kind)).collect();
    for schema in ["Message", "Template", "FlexContainer", "FlexComponent", "ImagemapAction"] {
        for kind in document.mapping(schema).keys() {
            assert!(tried.contains(&(schema, kind.as_str())), "{schema} {kind} is not tried");
        }
    }
    for (schema, kind, message) in all {
        let body = json!({ "messages": [message] });
        let valid = stage.post("/v2/bot/message/validate/push", body).await;
        assert_eq!(valid.status, 200, "{schema} {kind}: {}", valid.body);
        // Whom a message mentions is looked at where it is sent: it must be somebody of that group.
        if schema == "MentionTarget" || (schema, kind) == ("SubstitutionObject", "mention") {
            continue;
        }
        let pushed = stage.post("/v2/bot/message/push", json!({ "to": user, "messages": [message] })).await;
        assert_eq!(pushed.status, 200, "{schema} {kind}: {}", pushed.body);
    }
}

#[tokio::test]
async fn every_request_example_of_lines_file_is_answered_as_it_must_be() {
    let stage = Stage::new().await;
    let mut tried = BTreeMap::new();
    for (method, path, operation) in operations() {
        if let Some(example) = operation.pointer("/requestBody/content/application~1json/example") {
            let answer = stage.call(method, &path, Some(example.clone())).await;
            tried.insert(path, answer.status);
        }
    }
    // LINE's two: a token that LINE's page cut short, and the endpoint LINE has put another in place of.
    let wanted = [("/v2/bot/chat/markAsRead", 400), ("/v2/bot/message/markAsRead", 404)];
    assert_eq!(tried, wanted.map(|(path, status)| (path.to_owned(), status)).into());
}

/// Calls that make the simulator answer what LINE's examples show; path as in LINE's file → what was answered.
async fn answers() -> BTreeMap<String, Value> {
    let spec = line_simulator::AccountSpec { verified: true, quota: Some(1_000), ..Default::default() };
    let stage = Stage::with(spec).await;
    let (person, user) = stage.friend().await;
    let (control, account) = (&stage.control, &stage.account.channel_id);
    let video = line_simulator::Act::Write(line_simulator::Writing::Video(line_simulator::Media::default()));
    let video = control.act(account, &person, video).await.unwrap().message_id.unwrap();
    let mut chats = BTreeMap::new();
    for (kind, word) in [(line_simulator::ChatKind::Group, "group"), (line_simulator::ChatKind::Room, "room")] {
        let spec = line_simulator::ChatSpec { kind, name: "Group name".into(), members: vec![person.clone()] };
        let chat = control.add_chat(&spec).await.unwrap();
        let invite = line_simulator::ChatChange::InviteAccount { account: account.clone() };
        control.change_chat(&chat, &invite).await.unwrap();
        chats.insert(word, chat);
    }
    let aggregated = json!({ "to": user, "messages": [text_message("a")], "customAggregationUnits": ["promotion_a"] });
    assert_eq!(stage.post("/v2/bot/message/push", aggregated).await.status, 200);
    let menu = ready(&stage, "menu").await;
    for path in [format!("/v2/bot/user/all/richmenu/{menu}"), format!("/v2/bot/user/{user}/richmenu/{menu}")] {
        assert_eq!(stage.post(&path, json!({})).await.status, 200);
    }
    let alias = json!({ "richMenuAliasId": "richmenu-alias-a", "richMenuId": menu });
    assert_eq!(stage.post("/v2/bot/richmenu/alias", alias).await.status, 200);
    let batch = json!({ "operations": [{ "type": "unlinkAll" }], "resumeRequestKey": "key" });
    let batch = stage.post("/v2/bot/richmenu/batch", batch).await;
    assert_eq!(batch.status, 202, "{}", batch.body);

    let (group, room) = (&chats["group"], &chats["room"]);
    let day = "20260401";
    let mut found = BTreeMap::new();
    for (of, method, path) in [
        ("/v2/bot/channel/webhook/endpoint", Method::GET, String::new()),
        ("/v2/bot/channel/webhook/test", Method::POST, String::new()),
        (
            "/v2/bot/message/{messageId}/content/transcoding",
            Method::GET,
            format!("/v2/bot/message/{video}/content/transcoding"),
        ),
        ("/v2/bot/message/quota", Method::GET, String::new()),
        ("/v2/bot/message/quota/consumption", Method::GET, String::new()),
        ("/v2/bot/message/delivery/reply", Method::GET, format!("/v2/bot/message/delivery/reply?date={day}")),
        ("/v2/bot/message/delivery/push", Method::GET, format!("/v2/bot/message/delivery/push?date={day}")),
        ("/v2/bot/message/delivery/multicast", Method::GET, format!("/v2/bot/message/delivery/multicast?date={day}")),
        ("/v2/bot/message/delivery/broadcast", Method::GET, format!("/v2/bot/message/delivery/broadcast?date={day}")),
        ("/v2/bot/insight/followers", Method::GET, format!("/v2/bot/insight/followers?date={day}")),
        ("/v2/bot/message/aggregation/info", Method::GET, String::new()),
        ("/v2/bot/profile/{userId}", Method::GET, format!("/v2/bot/profile/{user}")),
        ("/v2/bot/followers/ids", Method::GET, String::new()),
        ("/v2/bot/info", Method::GET, String::new()),
        ("/v2/bot/group/{groupId}/member/{userId}", Method::GET, format!("/v2/bot/group/{group}/member/{user}")),
        ("/v2/bot/room/{roomId}/member/{userId}", Method::GET, format!("/v2/bot/room/{room}/member/{user}")),
        ("/v2/bot/group/{groupId}/members/ids", Method::GET, format!("/v2/bot/group/{group}/members/ids")),
        ("/v2/bot/room/{roomId}/members/ids", Method::GET, format!("/v2/bot/room/{room}/members/ids")),
        ("/v2/bot/group/{groupId}/summary", Method::GET, format!("/v2/bot/group/{group}/summary")),
        ("/v2/bot/group/{groupId}/members/count", Method::GET, format!("/v2/bot/group/{group}/members/count")),
        ("/v2/bot/room/{roomId}/members/count", Method::GET, format!("/v2/bot/room/{room}/members/count")),
        ("/v2/bot/richmenu/{richMenuId}", Method::GET, format!("/v2/bot/richmenu/{menu}")),
        ("/v2/bot/richmenu/list", Method::GET, String::new()),
        ("/v2/bot/user/all/richmenu", Method::GET, String::new()),
        ("/v2/bot/richmenu/alias/{richMenuAliasId}", Method::GET, "/v2/bot/richmenu/alias/richmenu-alias-a".to_owned()),
        ("/v2/bot/richmenu/alias/list", Method::GET, String::new()),
        ("/v2/bot/user/{userId}/richmenu", Method::GET, format!("/v2/bot/user/{user}/richmenu")),
        (
            "/v2/bot/richmenu/progress/batch",
            Method::GET,
            format!("/v2/bot/richmenu/progress/batch?requestId={}", batch.request_id),
        ),
        ("/v2/bot/user/{userId}/linkToken", Method::POST, format!("/v2/bot/user/{user}/linkToken")),
    ] {
        let path = if path.is_empty() { of } else { &path };
        let body = (method == Method::POST).then(|| json!({}));
        let name = format!("{} {of}", method.as_str().to_lowercase());
        let answer = stage.call(method, path, body).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        found.insert(name, answer.body);
    }
    found.insert("post /v2/bot/richmenu".to_owned(), json!({ "richMenuId": menu }));
    found
}

#[tokio::test]
async fn every_answer_has_the_properties_of_lines_example() {
    let documents = ["messaging-api.yml", "insight.yml"].map(Document::read);
    let answers = answers().await;
    let mut compared = 0;
    for (method, path, _) in operations() {
        let method = method.as_str().to_lowercase();
        let name = format!("{method} {path}");
        for example in documents.iter().flat_map(|document| document.examples(&method, &path)) {
            if NOT_ANSWERED.iter().any(|(known, _)| *known == name) {
                assert!(!answers.contains_key(&name), "{name} is answered");
                continue;
            }
            let answer =
                answers.get(&name).unwrap_or_else(|| panic!("LINE has an example of {name}: nobody asks for it here"));
            let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            let (wanted, got) = (keys(&example), keys(answer));
            let lacking: Vec<&String> =
                wanted.difference(&got).filter(|key| !OPTIONAL.contains(&key.as_str())).collect();
            assert!(lacking.is_empty(), "{name} lacks {lacking:?}: {answer}");
            for key in wanted.intersection(&got) {
                let (wanted, got) = (&example[key], &answer[key]);
                assert_eq!(std::mem::discriminant(wanted), std::mem::discriminant(got), "{name}: {key}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 25, "{compared}");
}
