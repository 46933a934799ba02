//! How many followers an account has, by day.

use line_simulator::clock::ClockTurn;
use line_simulator::{Act, Effect, Fault};
use serde_json::{Value, json};

use crate::stage::Stage;

async fn turn(stage: &Stage, to: &str) {
    stage.control.turn_clock(&ClockTurn { set: Some(to.parse().unwrap()), ..Default::default() }).await.unwrap();
}

async fn on(stage: &Stage, day: &str) -> Value {
    stage.get(&format!("/v2/bot/insight/followers?date={day}")).await.body
}

fn ready(followers: u64, blocks: u64) -> Value {
    json!({ "status": "ready", "followers": followers, "targetedReaches": followers - blocks, "blocks": blocks })
}

#[tokio::test]
async fn followers_are_counted_by_japans_days_and_never_fall() {
    let stage = Stage::new().await;
    let account = &stage.account.channel_id;
    turn(&stage, "2030-08-10T03:00:00Z").await;
    let _ = stage.friend().await;
    let (person, _) = stage.person().await;
    stage.control.act(account, &person, Act::AddFriend { quiet: false }).await.unwrap();
    assert_eq!(on(&stage, "20300810").await, json!({ "status": "unready" }));
    // Midnight in Japan.
    turn(&stage, "2030-08-10T15:00:00Z").await;
    stage.control.act(account, &person, Act::Block).await.unwrap();
    turn(&stage, "2030-08-11T15:00:00Z").await;
    stage.control.act(account, &person, Act::Unblock).await.unwrap();
    turn(&stage, "2030-08-12T15:00:00Z").await;
    stage.control.act(account, &person, Act::Block).await.unwrap();
    stage.control.act(account, &person, Act::AddFriend { quiet: false }).await.unwrap();
    stage.control.delete_person(&person).await.unwrap();
    turn(&stage, "2030-08-13T15:00:00Z").await;
    // The friend from before is there on every day.
    assert_eq!(on(&stage, "20300809").await, ready(1, 0));
    assert_eq!(on(&stage, "20300810").await, ready(2, 0));
    assert_eq!(on(&stage, "20300811").await, ready(2, 1));
    assert_eq!(on(&stage, "20300812").await, ready(2, 0));
    assert_eq!(on(&stage, "20300813").await, ready(2, 0));
}

#[tokio::test]
async fn who_blocks_and_quietly_adds_the_account_again_counts_as_blocking_until_then() {
    let stage = Stage::new().await;
    let account = &stage.account.channel_id;
    turn(&stage, "2030-08-10T03:00:00Z").await;
    let (person, _) = stage.person().await;
    stage.control.act(account, &person, Act::AddFriend { quiet: true }).await.unwrap();
    stage.control.act(account, &person, Act::Block).await.unwrap();
    turn(&stage, "2030-08-11T03:00:00Z").await;
    stage.control.act(account, &person, Act::AddFriend { quiet: true }).await.unwrap();
    turn(&stage, "2030-08-12T03:00:00Z").await;
    assert_eq!(on(&stage, "20300809").await, ready(1, 0));
    assert_eq!(on(&stage, "20300810").await, ready(1, 1));
    assert_eq!(on(&stage, "20300811").await, ready(1, 0));
}

#[tokio::test]
async fn days_that_are_not_counted_and_days_that_are_none() {
    let stage = Stage::new().await;
    turn(&stage, "2030-08-10T03:00:00Z").await;
    assert_eq!(on(&stage, "20161031").await, json!({ "status": "out_of_service" }));
    assert_eq!(on(&stage, "20161101").await, ready(0, 0));
    assert_eq!(on(&stage, "20300809").await, ready(0, 0));
    assert_eq!(on(&stage, "20300810").await, json!({ "status": "unready" }));
    assert_eq!(on(&stage, "20310101").await, json!({ "status": "unready" }));
    assert_eq!(stage.get("/v2/bot/insight/followers").await.body, json!({ "status": "unready" }));
    for day in ["yesterday", "2030-08-09", "20300231", "203008", ""] {
        let answer = stage.get(&format!("/v2/bot/insight/followers?date={day}")).await;
        assert_eq!((answer.status, answer.body["message"].as_str().is_some()), (400, true), "{day}");
    }
}

#[tokio::test]
async fn sixty_questions_an_hour_are_answered_and_faults_strike() {
    let stage = Stage::new().await;
    stage.control.turn_clock(&ClockTurn { running: Some(false), ..Default::default() }).await.unwrap();
    let refuse = Effect::Refuse { status: 403, message: "Not for your account".to_owned() };
    stage.control.add_fault(&Fault::times(refuse, 1).at("GET /v2/bot/insight/followers")).await.unwrap();
    assert_eq!(stage.get("/v2/bot/insight/followers").await.status, 403);
    for _ in 0..59 {
        assert_eq!(stage.get("/v2/bot/insight/followers").await.status, 200);
    }
    let refused = stage.get("/v2/bot/insight/followers").await;
    let reason = "The API rate limit has been exceeded. Try again later.";
    assert_eq!((refused.status, refused.body["message"].as_str()), (429, Some(reason)));
    stage.control.turn_clock(&ClockTurn { advance_ms: Some(60_000), ..Default::default() }).await.unwrap();
    assert_eq!(stage.get("/v2/bot/insight/followers").await.status, 200);
}
