//! Request rate limits.

use chrono::TimeDelta;
use line_simulator::Limit;

use crate::stage::Stage;

const PUSH: &str = "POST /v2/bot/message/push";

fn limit(stage: &Stage, capacity: f64, per_second: f64) -> Limit {
    Limit {
        account: Some(stage.account.channel_id.clone()),
        endpoint: Some(PUSH.into()),
        capacity: (capacity, capacity),
        per_second: (per_second, per_second),
        jitter: 0.0,
    }
}

#[tokio::test]
async fn an_empty_bucket_answers_429_and_refills_with_time() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (_, user) = stage.friend().await;
    stage.control.set_limit(&limit(&stage, 2.0, 1.0)).await.unwrap();
    assert_eq!(stage.push(&user, "1").await.status, 200);
    assert_eq!(stage.push(&user, "2").await.status, 200);
    let refused = stage.push(&user, "3").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body["message"], "The API rate limit has been exceeded. Try again later.");
    assert_eq!(stage.get("/v2/bot/info").await.status, 200);
    stage.control.advance(TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(stage.push(&user, "3").await.status, 200);
    assert_eq!(stage.push(&user, "4").await.status, 429);
}

#[tokio::test]
async fn a_refused_attempt_counts_against_the_rate_too() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let (_, user) = stage.friend().await;
    stage.control.set_limit(&limit(&stage, 1.0, 0.0)).await.unwrap();
    assert_eq!(stage.push(&user, "").await.status, 400);
    assert_eq!(stage.push(&user, "x").await.status, 429);
}

#[tokio::test]
async fn accounts_draw_hidden_limits_of_their_own() {
    let stage = Stage::new().await;
    stage.simulator.clock().stop();
    let hidden = Limit { account: None, capacity: (1.0, 30.0), per_second: (0.0, 0.0), ..limit(&stage, 0.0, 0.0) };
    stage.control.set_limit(&hidden).await.unwrap();
    let mut granted = Vec::new();
    for _ in 0..4 {
        let card =
            stage.control.add_account(&stage.account.provider, line_simulator::AccountSpec::default()).await.unwrap();
        let mut count = 0;
        while count <= 30 {
            let request = stage.http.post(format!("{}/v2/bot/message/push", stage.simulator.base_url()));
            if request.bearer_auth(&card.access_token).send().await.unwrap().status() == 429 {
                break;
            }
            count += 1;
        }
        granted.push(count);
    }
    assert!(granted.iter().all(|n| (1..=30).contains(n)), "{granted:?}");
    assert!(granted.iter().any(|n| *n != granted[0]), "{granted:?}");
}
