//! Profiles, bot info and followers.

use line_simulator::{AccountSettings, AccountSpec, PersonSpec};
use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn friends_and_writers_have_a_profile_others_and_blockers_have_none() {
    let stage = Stage::new().await;
    let spec = PersonSpec {
        display_name: "Hanako".into(),
        picture_url: Some("https://example.com/h.jpg".into()),
        status_message: Some("hi".into()),
        ..PersonSpec::default()
    };
    let hanako = stage.control.add_person(&spec).await.unwrap();
    let account = &stage.account.channel_id;
    let user = stage.control.user_id(account, &hanako).await.unwrap();
    let path = format!("/v2/bot/profile/{user}");
    assert_eq!(stage.get(&path).await.status, 404);
    stage.control.write_text(account, &hanako, "hello").await.unwrap();
    assert_eq!(
        stage.get(&path).await.body,
        json!({ "displayName": "Hanako", "userId": user, "language": "ja",
                "pictureUrl": "https://example.com/h.jpg", "statusMessage": "hi" })
    );
    stage.control.add_friend(account, &hanako).await.unwrap();
    stage.control.block(account, &hanako).await.unwrap();
    assert_eq!(stage.get(&path).await.status, 404);
    stage.control.unblock(account, &hanako).await.unwrap();
    assert_eq!(stage.get(&path).await.status, 200);
    assert_eq!(stage.get("/v2/bot/profile/hanako").await.status, 400);
}

#[tokio::test]
async fn bot_info_says_who_the_webhooks_are_for() {
    let stage = Stage::with(AccountSpec { chat: true, name: "Shop".into(), ..AccountSpec::default() }).await;
    let info = stage.get("/v2/bot/info").await.body;
    assert_eq!(info["userId"], stage.account.bot_user_id.as_str());
    assert_eq!(info["basicId"], stage.account.basic_id);
    assert_eq!((&info["displayName"], &info["chatMode"]), (&json!("Shop"), &json!("chat")));
    assert_eq!(info["markAsReadMode"], "manual");
    let off = AccountSettings { chat: Some(false), ..AccountSettings::default() };
    stage.control.change_account(&stage.account.channel_id, &off).await.unwrap();
    let info = stage.get("/v2/bot/info").await.body;
    assert_eq!((&info["chatMode"], &info["markAsReadMode"]), (&json!("bot"), &json!("auto")));
}

#[tokio::test]
async fn followers_are_listed_page_by_page_for_verified_accounts_only() {
    let stage = Stage::with(AccountSpec { verified: true, ..AccountSpec::default() }).await;
    let friends = stage.control.add_friends(&stage.account.channel_id, 5, true).await.unwrap();
    stage.control.block(&stage.account.channel_id, &friends[0].person).await.unwrap();
    let first = stage.get("/v2/bot/followers/ids?limit=3").await.body;
    let next = first["next"].as_str().unwrap();
    let second = stage.get(&format!("/v2/bot/followers/ids?limit=3&start={next}")).await.body;
    assert!(second.get("next").is_none());
    let listed = first["userIds"].as_array().unwrap().len() + second["userIds"].as_array().unwrap().len();
    assert_eq!(listed, 4);
    assert_eq!(stage.get("/v2/bot/followers/ids?limit=1001").await.status, 400);
    let plain = Stage::new().await;
    assert_eq!(plain.get("/v2/bot/followers/ids").await.status, 403);
}
