//! Rich menus: the objects, their images, the default, and who has which.

use chrono::TimeDelta;
use line_simulator::{AccountSettings, Act, RichMenuSource, UserId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stage::{Answer, Stage};

pub(crate) const MENUS: &str = "/v2/bot/richmenu";
const NOBODY: &str = "richmenu-00000000000000000000000000000000";

pub(crate) fn menu(name: &str) -> Value {
    let area =
        |x: u32, action: Value| json!({"bounds": {"x": x, "y": 0, "width": 600, "height": 405}, "action": action});
    json!({"size": {"width": 1200, "height": 405}, "selected": true, "name": name, "chatBarText": "メニュー", "areas": [
        area(0, json!({"type": "message", "text": "未読を見る"})),
        area(600, json!({"type": "richmenuswitch", "richMenuAliasId": "tab-b", "data": "b"})),
    ]})
}

/// The head of a PNG image is all that is looked at.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()].concat()
}

/// Makes a menu; its ID.
pub(crate) async fn made(stage: &Stage, name: &str) -> String {
    let answer = stage.post(MENUS, menu(name)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["richMenuId"].as_str().unwrap().to_owned()
}

pub(crate) async fn upload(stage: &Stage, id: &str, kind: &str, bytes: Vec<u8>) -> u16 {
    let url = format!("{}{MENUS}/{id}/content", stage.simulator.base_url());
    let request = stage.http.post(url).bearer_auth(&stage.account.access_token).header("content-type", kind);
    request.body(bytes).send().await.unwrap().status().as_u16()
}

/// Makes a menu with an image.
pub(crate) async fn ready(stage: &Stage, name: &str) -> String {
    let id = made(stage, name).await;
    assert_eq!(upload(stage, &id, "image/png", png(1_200, 405)).await, 200);
    id
}

pub(crate) async fn link(stage: &Stage, user: &UserId, id: &str) -> Answer {
    stage.call(Method::POST, &format!("/v2/bot/user/{user}/richmenu/{id}"), None).await
}

pub(crate) async fn of_user(stage: &Stage, user: &UserId) -> Option<String> {
    let answer = stage.get(&format!("/v2/bot/user/{user}/richmenu")).await;
    assert!(matches!(answer.status, 200 | 404), "{answer:?}");
    answer.body["richMenuId"].as_str().map(str::to_owned)
}

fn message(answer: &Answer) -> &str {
    answer.body["message"].as_str().unwrap()
}

#[tokio::test]
async fn menus_are_made_read_listed_and_deleted_and_bad_ones_named() {
    let stage = Stage::new().await;
    let (first, second) = (made(&stage, "first").await, made(&stage, "second").await);
    let read = stage.get(&format!("{MENUS}/{first}")).await.body;
    assert_eq!((&read["name"], &read["richMenuId"]), (&json!("first"), &json!(first)));
    let listed = stage.get(&format!("{MENUS}/list")).await.body;
    let ids: Vec<_> =
        listed["richmenus"].as_array().unwrap().iter().map(|m| m["richMenuId"].as_str().unwrap()).collect();
    assert_eq!(ids, [&*first, &*second]);
    assert_eq!(stage.call(Method::DELETE, &format!("{MENUS}/{first}"), None).await.status, 200);
    assert_eq!(stage.call(Method::DELETE, &format!("{MENUS}/{first}"), None).await.status, 404);
    assert_eq!(stage.get(&format!("{MENUS}/{first}")).await.status, 404);
    let mut nameless = menu("x");
    nameless.as_object_mut().unwrap().remove("name");
    for path in [MENUS, "/v2/bot/richmenu/validate"] {
        let refused = stage.post(path, nameless.clone()).await;
        assert_eq!((refused.status, message(&refused)), (400, "The request body has 1 error(s)"));
        assert_eq!(refused.body["details"], json!([{"message": "must be specified", "property": "name"}]));
    }
    assert_eq!(stage.post("/v2/bot/richmenu/validate", menu("x")).await.status, 200);
    assert_eq!(stage.control.account(&stage.account.channel_id).await.unwrap().rich_menus.len(), 1);
}

#[tokio::test]
async fn an_image_is_judged_set_once_and_downloaded() {
    let stage = Stage::new().await;
    let id = made(&stage, "m").await;
    let path = format!("{MENUS}/{id}/content");
    assert_eq!(stage.get(&path).await.status, 404);
    assert_eq!(upload(&stage, &id, "image/gif", b"GIF89a".to_vec()).await, 415);
    assert_eq!(upload(&stage, &id, "application/json", b"{}".to_vec()).await, 415);
    assert_eq!(upload(&stage, &id, "image/png", png(1_200, 810)).await, 400, "not the menu's size");
    assert_eq!(upload(&stage, &id, "image/jpeg", png(1_200, 405)).await, 400, "not what it says it is");
    let mut large = png(1_200, 405);
    large.resize(1024 * 1024 + 1, 0);
    assert_eq!(upload(&stage, &id, "image/png", large).await, 400);
    assert_eq!(upload(&stage, NOBODY, "image/png", png(1_200, 405)).await, 404);
    assert_eq!(upload(&stage, &id, "image/png", png(1_200, 405)).await, 200);
    assert_eq!(upload(&stage, &id, "image/png", png(1_200, 405)).await, 400, "an image is for ever");
    let url = format!("{}{path}", stage.simulator.base_url());
    let answer = stage.http.get(url).bearer_auth(&stage.account.access_token).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.bytes().await.unwrap(), png(1_200, 405));
}

#[tokio::test]
async fn a_menu_needs_its_image_before_anybody_sees_it() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let id = made(&stage, "m").await;
    let words = "must upload richmenu image before applying it to user";
    let default = format!("/v2/bot/user/all/richmenu/{id}");
    let bulk = json!({"richMenuId": id, "userIds": [user]});
    for refused in [
        link(&stage, &user, &id).await,
        stage.call(Method::POST, &default, None).await,
        stage.post("/v2/bot/richmenu/bulk/link", bulk).await,
    ] {
        assert_eq!((refused.status, message(&refused)), (400, words));
    }
    let alias = stage.post("/v2/bot/richmenu/alias", json!({"richMenuAliasId": "a", "richMenuId": id})).await;
    assert_eq!((alias.status, message(&alias)), (400, "richmenu not found"));
    assert_eq!(upload(&stage, &id, "image/png", png(1_200, 405)).await, 200);
    assert_eq!(link(&stage, &user, &id).await.status, 200);
}

#[tokio::test]
async fn what_a_person_sees_is_their_own_menu_before_the_default_before_the_managers() {
    let stage = Stage::new().await;
    let (account, (person, user)) = (&stage.account.channel_id, stage.friend().await);
    let default = "/v2/bot/user/all/richmenu";
    let missing = stage.get(default).await;
    assert_eq!((missing.status, message(&missing)), (404, "no default richmenu"));
    assert_eq!(stage.control.rich_menu(account, &person).await.unwrap(), None);
    let manager = AccountSettings { manager_rich_menu: Some(true), ..AccountSettings::default() };
    stage.control.change_account(account, &manager).await.unwrap();
    assert_eq!(stage.get(default).await.status, 403);
    let shown = async || stage.control.rich_menu(account, &person).await.unwrap().unwrap();
    assert_eq!((shown().await.source, shown().await.menu), (RichMenuSource::Manager, None));
    let (all, own) = (ready(&stage, "all").await, ready(&stage, "own").await);
    assert_eq!(stage.call(Method::POST, &format!("{default}/{all}"), None).await.status, 200);
    assert_eq!(stage.get(default).await.body["richMenuId"], json!(all));
    assert_eq!((shown().await.source, shown().await.menu.unwrap().name), (RichMenuSource::Default, "all".into()));
    assert_eq!(link(&stage, &user, &own).await.status, 200);
    assert_eq!((shown().await.source, shown().await.menu.unwrap().name), (RichMenuSource::PerUser, "own".into()));
    let unlink = format!("/v2/bot/user/{user}/richmenu");
    assert_eq!(stage.call(Method::DELETE, &unlink, None).await.status, 200);
    assert_eq!(stage.call(Method::DELETE, &unlink, None).await.status, 200, "twice is the same as once");
    assert_eq!(shown().await.source, RichMenuSource::Default);
    assert_eq!(stage.call(Method::DELETE, default, None).await.status, 200);
    assert_eq!(shown().await.source, RichMenuSource::Manager);
}

#[tokio::test]
async fn a_deleted_or_lost_menu_is_nobodys() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let id = ready(&stage, "m").await;
    assert_eq!(link(&stage, &user, &id).await.status, 200);
    assert_eq!(stage.call(Method::DELETE, &format!("{MENUS}/{id}"), None).await.status, 200);
    assert_eq!(of_user(&stage, &user).await, None);
    assert_eq!((link(&stage, &user, &id).await.status, link(&stage, &user, NOBODY).await.status), (404, 404));
    let id = ready(&stage, "n").await;
    assert_eq!(link(&stage, &user, &id).await.status, 200);
    stage.control.lose_rich_menus(&stage.account.channel_id).await.unwrap();
    assert_eq!(of_user(&stage, &user).await, None);
    assert_eq!(stage.get(&format!("{MENUS}/list")).await.body, json!({"richmenus": []}));
}

#[tokio::test]
async fn strangers_and_blockers_are_answered_200_and_get_nothing() {
    let stage = Stage::new().await;
    let id = ready(&stage, "m").await;
    let (_, stranger) = stage.person().await;
    let (blocker, blocking) = stage.friend().await;
    stage.control.block(&stage.account.channel_id, &blocker).await.unwrap();
    for user in [&stranger, &blocking, &UserId::from(format!("U{}", "0".repeat(32)))] {
        assert_eq!(link(&stage, user, &id).await.status, 200);
        assert_eq!(of_user(&stage, user).await, None);
    }
    stage.control.unblock(&stage.account.channel_id, &blocker).await.unwrap();
    assert_eq!(of_user(&stage, &blocking).await, None);
    let malformed = link(&stage, &UserId::from("me"), &id).await;
    assert_eq!((malformed.status, message(&malformed)), (400, "The value for the 'userId' parameter is invalid"));
}

#[tokio::test]
async fn several_users_are_linked_a_while_after_the_request_was_taken() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let id = ready(&stage, "m").await;
    let friends = stage.control.add_friends(&stage.account.channel_id, 2, true).await.unwrap();
    let users: Vec<_> = friends.iter().map(|friend| friend.user_id.clone()).collect();
    let bulk = async |ids: Vec<UserId>| {
        stage.post("/v2/bot/richmenu/bulk/link", json!({"richMenuId": id, "userIds": ids})).await
    };
    assert_eq!(bulk(users.clone()).await.status, 202);
    assert_eq!(of_user(&stage, &users[0]).await, None, "not yet");
    stage.control.advance(TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(of_user(&stage, &users[1]).await, Some(id.clone()));
    let unlink = stage.post("/v2/bot/richmenu/bulk/unlink", json!({"userIds": users})).await;
    assert_eq!(unlink.status, 202);
    stage.control.advance(TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(of_user(&stage, &users[0]).await, None);
    let bad = bulk(vec![users[0].clone(), UserId::from("me")]).await;
    assert_eq!(message(&bad), "The property, 'userIds[1]', in the request body is invalid (line: -, column: -)");
    assert_eq!(bulk(vec![users[0].clone(); 501]).await.status, 400);
    let gone = stage.post("/v2/bot/richmenu/bulk/link", json!({"richMenuId": NOBODY, "userIds": users})).await;
    assert_eq!((gone.status, message(&gone)), (404, "richmenu not found"));
    let malformed = stage.post("/v2/bot/richmenu/bulk/link", json!({"richMenuId": "m", "userIds": users})).await;
    assert_eq!(malformed.body["details"], json!([{"message": "invalid richMenuId", "property": "richMenuId"}]));
}

#[tokio::test]
async fn a_tap_does_what_the_menu_shown_says() {
    let stage = Stage::new().await;
    let (account, (person, user)) = (&stage.account.channel_id, stage.friend().await);
    let (tab_a, tab_b) = (ready(&stage, "a").await, ready(&stage, "b").await);
    assert_eq!(link(&stage, &user, &tab_a).await.status, 200);
    let tap = async |area| stage.control.act(account, &person, Act::TapRichMenu { area }).await;
    tap(0).await.unwrap();
    tap(1).await.unwrap();
    assert_eq!(of_user(&stage, &user).await, Some(tab_a), "there is no such alias");
    let alias = json!({"richMenuAliasId": "tab-b", "richMenuId": tab_b});
    assert_eq!(stage.post("/v2/bot/richmenu/alias", alias).await.status, 200);
    tap(1).await.unwrap();
    assert_eq!(of_user(&stage, &user).await, Some(tab_b));
    let events = stage.receiver.events(3).await;
    assert_eq!(events[0]["message"]["text"], "未読を見る");
    assert_eq!(events[1]["postback"]["params"], json!({"status": "RICHMENU_ALIAS_ID_NOTFOUND"}));
    assert_eq!(events[2]["postback"]["params"], json!({"status": "SUCCESS", "newRichMenuAliasId": "tab-b"}));
    assert!(tap(9).await.is_err());
}
