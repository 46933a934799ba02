//! Content download.

use chrono::TimeDelta;
use line_simulator::{Act, Media, Writing};
use serde_json::json;

use crate::stage::Stage;

async fn send(stage: &Stage, writing: Writing) -> (line_simulator::PersonId, String) {
    let (person, _) = stage.friend().await;
    let done = stage.control.act(&stage.account.channel_id, &person, Act::Write(writing)).await.unwrap();
    (person, done.message_id.unwrap())
}

#[tokio::test]
async fn a_picture_is_fetched_until_it_is_taken_back() {
    let stage = Stage::new().await;
    let media = Media {
        content_base64: Some("cGljdHVyZQ==".into()),
        content_type: Some("image/png".into()),
        ..Media::default()
    };
    let (person, id) = send(&stage, Writing::Image(media)).await;
    let url = format!("{}/v2/bot/message/{id}/content", stage.simulator.base_url());
    let answer = stage.http.get(&url).bearer_auth(&stage.account.access_token).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "image/png");
    assert_eq!(answer.bytes().await.unwrap(), "picture");
    let path = format!("/v2/bot/message/{id}/content");
    assert_eq!(stage.get(&format!("{path}/preview")).await.status, 200);
    assert_eq!(stage.get(&format!("{path}/transcoding")).await.status, 400);
    let unsend = Act::Unsend { message_id: id };
    stage.control.act(&stage.account.channel_id, &person, unsend).await.unwrap();
    assert_eq!(stage.get(&path).await.status, 410);
    assert_eq!(stage.get("/v2/bot/message/1/content").await.status, 404);
}

#[tokio::test]
async fn a_video_is_prepared_first() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let media = Media { preparing_ms: 60_000, duration_ms: Some(9_000), ..Media::default() };
    let (_, id) = send(&stage, Writing::Video(media)).await;
    let path = format!("/v2/bot/message/{id}/content");
    assert_eq!(stage.get(&path).await.status, 202);
    assert_eq!(stage.get(&format!("{path}/transcoding")).await.body, json!({ "status": "processing" }));
    stage.control.advance(TimeDelta::minutes(1)).await.unwrap();
    assert_eq!(stage.get(&format!("{path}/transcoding")).await.body, json!({ "status": "succeeded" }));
    assert_eq!(stage.get(&path).await.status, 200);
    assert_eq!(stage.receiver.events(1).await[0]["message"]["duration"], 9_000);
}

#[tokio::test]
async fn preparation_can_fail_and_external_content_is_not_here() {
    let stage = Stage::new().await;
    let (_, id) = send(&stage, Writing::Audio(Media { broken: true, ..Media::default() })).await;
    let path = format!("/v2/bot/message/{id}/content");
    assert_eq!(stage.get(&format!("{path}/transcoding")).await.body, json!({ "status": "failed" }));
    assert_eq!(stage.get(&format!("{path}/preview")).await.status, 400);
    let external = Media { external_url: Some("https://example.com/p.jpg".into()), ..Media::default() };
    let (_, id) = send(&stage, Writing::Image(external)).await;
    assert_eq!(stage.get(&format!("/v2/bot/message/{id}/content")).await.status, 404);
    let events = stage.receiver.events(2).await;
    assert_eq!(events[1]["message"]["contentProvider"]["type"], "external");
}
