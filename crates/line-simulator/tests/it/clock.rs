//! The clock over HTTP, as other processes read it.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::stage::Stage;

#[tokio::test]
async fn the_time_is_read_and_turned_over_http() {
    let stage = Stage::new().await;
    let url = format!("{}/control/clock", stage.simulator.base_url());
    let read = async || -> Value { stage.http.get(&url).send().await.unwrap().json().await.unwrap() };
    let body = serde_json::json!({ "running": false, "set": "2030-01-01T00:00:00Z", "advance_ms": 1500 });
    stage.http.post(&url).json(&body).send().await.unwrap();
    let reading = read().await;
    let now: DateTime<Utc> = reading["now"].as_str().unwrap().parse().unwrap();
    assert_eq!(now, "2030-01-01T00:00:01.5Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(read().await, reading);
    assert_eq!(stage.simulator.clock().now(), now);
}

#[tokio::test]
async fn a_turn_that_leads_nowhere_is_refused_by_field_and_turns_nothing() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let before = stage.simulator.clock().now();
    for (turn, field) in [
        (serde_json::json!({ "speed": 0 }), "speed"),
        (serde_json::json!({ "speed": 100_001 }), "speed"),
        (serde_json::json!({ "set": "0001-01-01T00:00:00Z" }), "set"),
        (serde_json::json!({ "advance_ms": i64::MAX }), "advance_ms"),
        (serde_json::json!({ "advance_ms": i64::MIN }), "advance_ms"),
    ] {
        let url = format!("{}/control/clock", stage.simulator.base_url());
        let answer = stage.http.post(&url).json(&turn).send().await.unwrap();
        assert_eq!(answer.status(), 409, "{turn}");
        let said: Value = answer.json().await.unwrap();
        assert!(said["error"].as_str().unwrap().starts_with(&format!("{field}: ")), "{turn}: {said}");
    }
    assert_eq!(stage.simulator.clock().now(), before);
}
