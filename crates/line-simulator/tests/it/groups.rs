//! Groups and rooms.

use line_simulator::{AccountSpec, Act, ActRequest, ChatChange, ChatKind, ChatSpec, Writing};
use serde_json::json;

use crate::stage::{Stage, text_message};

async fn group(stage: &Stage, kind: ChatKind) -> (line_simulator::ChatId, line_simulator::PersonId) {
    let (member, _) = stage.person().await;
    let spec = ChatSpec { kind, name: "Family".into(), members: vec![member.clone()] };
    let chat = stage.control.add_chat(&spec).await.unwrap();
    let invite = ChatChange::InviteAccount { account: stage.account.channel_id.clone() };
    stage.control.change_chat(&chat, &invite).await.unwrap();
    (chat, member)
}

#[tokio::test]
async fn comings_and_goings_are_told() {
    let stage = Stage::new().await;
    let (chat, _) = group(&stage, ChatKind::Group).await;
    let (guest, user) = stage.person().await;
    let people = vec![guest];
    let join = ChatChange::MembersJoin { people: people.clone() };
    stage.control.change_chat(&chat, &join).await.unwrap();
    stage.control.change_chat(&chat, &ChatChange::MembersLeave { people }).await.unwrap();
    stage.control.change_chat(&chat, &ChatChange::RemoveAccount).await.unwrap();
    let events = stage.receiver.events(4).await;
    let kinds: Vec<_> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["join", "memberJoined", "memberLeft", "leave"]);
    let replyable: Vec<_> = events.iter().map(|e| e.get("replyToken").is_some()).collect();
    assert_eq!(replyable, [true, true, false, false]);
    assert_eq!(events[1]["joined"]["members"], json!([{ "type": "user", "userId": user }]));
    assert_eq!(events[2]["left"]["members"], events[1]["joined"]["members"]);
    assert_eq!(events[0]["source"], json!({ "type": "group", "groupId": chat }));
}

#[tokio::test]
async fn a_text_in_a_group_can_be_edited_and_taken_back() {
    let stage = Stage::new().await;
    let (chat, member) = group(&stage, ChatKind::Group).await;
    let account = &stage.account.channel_id;
    let here = |act| ActRequest { chat: Some(chat.clone()), ..ActRequest::from(act) };
    let write = Act::Write(Writing::Text { text: "teh".into(), extra: None });
    let id = stage.control.act(account, &member, here(write)).await.unwrap().message_id.unwrap();
    let edit = Act::Edit { message_id: id.clone(), text: "the".into() };
    stage.control.act(account, &member, here(edit)).await.unwrap();
    stage.control.act(account, &member, here(Act::Unsend { message_id: id.clone() })).await.unwrap();
    let events = stage.receiver.events(4).await;
    let (written, edited, unsent) = (&events[1], &events[2], &events[3]);
    assert_eq!((&edited["type"], &edited["message"]["id"]), (&json!("messageEdited"), &json!(id)));
    assert!(edited["message"].get("markAsReadToken").is_none());
    assert_ne!(edited["replyToken"], written["replyToken"]);
    assert_eq!((&unsent["type"], &unsent["unsend"]["messageId"]), (&json!("unsend"), &json!(id)));
}

#[tokio::test]
async fn a_group_push_counts_every_member_and_needs_the_account_in_it() {
    let stage = Stage::new().await;
    let (chat, _) = group(&stage, ChatKind::Group).await;
    let (guest, _) = stage.person().await;
    stage.control.change_chat(&chat, &ChatChange::MembersJoin { people: vec![guest] }).await.unwrap();
    let body = json!({ "to": chat, "messages": [text_message("hello")] });
    assert_eq!(stage.post("/v2/bot/message/push", body.clone()).await.status, 200);
    assert_eq!(stage.sent().await[0].counted, 2);
    stage.control.change_chat(&chat, &ChatChange::RemoveAccount).await.unwrap();
    assert_eq!(stage.post("/v2/bot/message/push", body).await.status, 400);
}

#[tokio::test]
async fn members_are_read_by_the_group_and_room_endpoints() {
    let stage = Stage::with(AccountSpec { verified: true, ..AccountSpec::default() }).await;
    for (kind, name) in [(ChatKind::Group, "group"), (ChatKind::Room, "room")] {
        let (chat, member) = group(&stage, kind).await;
        let user = stage.control.user_id(&stage.account.channel_id, &member).await.unwrap();
        let base = format!("/v2/bot/{name}/{chat}");
        assert_eq!(stage.get(&format!("{base}/members/count")).await.body, json!({ "count": 1 }));
        assert_eq!(stage.get(&format!("{base}/members/ids")).await.body, json!({ "memberIds": [user] }));
        let profile = stage.get(&format!("{base}/member/{user}")).await.body;
        assert_eq!(profile["userId"], user.as_str());
        assert_eq!(stage.get(&format!("/v2/bot/profile/{user}")).await.status, 404);
        assert_eq!(stage.post(&format!("{base}/leave"), json!({})).await.status, 200);
        assert_eq!(stage.get(&format!("{base}/members/count")).await.status, 404);
    }
    let plain = Stage::new().await;
    let (chat, _) = group(&plain, ChatKind::Group).await;
    let summary = plain.get(&format!("/v2/bot/group/{chat}/summary")).await.body;
    assert_eq!(summary, json!({ "groupId": chat, "groupName": "Family" }));
    assert_eq!(plain.get(&format!("/v2/bot/group/{chat}/members/ids")).await.status, 403);
}

#[tokio::test]
async fn only_members_can_be_mentioned_and_only_in_groups() {
    let stage = Stage::new().await;
    let (chat, member) = group(&stage, ChatKind::Group).await;
    let user = stage.control.user_id(&stage.account.channel_id, &member).await.unwrap();
    let (_, stranger) = stage.friend().await;
    let mention = |to: &str, whom: &str| {
        let mentionee = json!({ "type": "user", "userId": whom });
        let substitution = json!({ "who": { "type": "mention", "mentionee": mentionee } });
        json!({ "to": to, "messages": [{ "type": "textV2", "text": "hi {who}", "substitution": substitution }] })
    };
    let status = async |to: &str, whom: &str| stage.post("/v2/bot/message/push", mention(to, whom)).await.status;
    assert_eq!(status(chat.as_str(), user.as_str()).await, 200);
    assert_eq!(status(chat.as_str(), stranger.as_str()).await, 400);
    assert_eq!(status(stranger.as_str(), stranger.as_str()).await, 400);
}
