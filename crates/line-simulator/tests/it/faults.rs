//! Injected faults.

use std::time::{Duration, Instant};

use line_simulator::{BooksQuery, Effect, Fault};

use crate::stage::Stage;

const PUSH: &str = "POST /v2/bot/message/push";
const KEY: &str = "123e4567-e89b-12d3-a456-426614174000";

#[tokio::test]
async fn accepted_but_answer_lost_keeps_the_message_in_the_books() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    stage.control.add_fault(&Fault::times(Effect::AcceptedAnswerLost, 1).at(PUSH)).await.unwrap();
    assert!(stage.push_keyed(&user, "lost answer", KEY).await.is_err());
    let sent = stage.sent().await;
    assert_eq!(sent.len(), 1);
    let again = stage.push_keyed(&user, "lost answer", KEY).await.unwrap();
    assert_eq!((again.status, again.accepted_request_id.unwrap()), (409, sent[0].request_id.clone()));
    let requests = stage.control.requests(&BooksQuery::default()).await.unwrap();
    let statuses: Vec<_> = requests.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [None, Some(409)]);
}

#[tokio::test]
async fn cut_before_acceptance_leaves_no_trace() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    stage.control.add_fault(&Fault::times(Effect::CutBefore, 1).at(PUSH)).await.unwrap();
    assert!(stage.push_keyed(&user, "cut", KEY).await.is_err());
    assert_eq!(stage.sent().await.len(), 0);
    assert_eq!(stage.push_keyed(&user, "cut", KEY).await.unwrap().status, 200);
}

#[tokio::test]
async fn answers_can_be_ordered() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let cases = [
        (Effect::RateLimited, 429, "The API rate limit has been exceeded. Try again later."),
        (Effect::MonthlyLimit, 429, "You have reached your monthly limit."),
        (Effect::ServerError, 500, "Internal Server Error"),
        (Effect::Refuse { status: 418, message: "teapot".into() }, 418, "teapot"),
    ];
    for (effect, status, message) in cases {
        stage.control.add_fault(&Fault::times(effect, 1).at(PUSH).of(&stage.account.channel_id)).await.unwrap();
        let answer = stage.push(&user, "x").await;
        assert_eq!((answer.status, answer.body["message"].as_str()), (status, Some(message)));
    }
    assert_eq!(stage.sent().await.len(), 0);
    assert_eq!(stage.push(&user, "x").await.status, 200);
}

#[tokio::test]
async fn accepted_yet_answered_500() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    stage.control.add_fault(&Fault::times(Effect::AcceptedThenServerError, 1)).await.unwrap();
    assert_eq!(stage.push_keyed(&user, "x", KEY).await.unwrap().status, 500);
    assert_eq!(stage.sent().await.len(), 1);
    assert_eq!(stage.push_keyed(&user, "x", KEY).await.unwrap().status, 409);
}

#[tokio::test]
async fn latency_and_hanging_take_their_time() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    let slow = stage.control.add_fault(&Fault::always(Effect::Latency { ms: 120 })).await.unwrap();
    let started = Instant::now();
    assert_eq!(stage.push(&user, "slow").await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(120));
    stage.control.end_fault(&slow).await.unwrap();
    stage.control.add_fault(&Fault::times(Effect::Hang { ms: 120 }, 1)).await.unwrap();
    let started = Instant::now();
    assert!(stage.push_keyed(&user, "hung", KEY).await.is_err());
    assert!(started.elapsed() >= Duration::from_millis(120));
    stage.control.add_fault(&Fault::times(Effect::AcceptedThenHang { ms: 50 }, 1)).await.unwrap();
    assert!(stage.push_keyed(&user, "accepted", KEY).await.is_err());
    assert_eq!(stage.sent().await.len(), 2);
}

#[tokio::test]
async fn a_request_is_carried_out_although_its_client_gave_up() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    stage.control.add_fault(&Fault::times(Effect::Latency { ms: 200 }, 1).at(PUSH)).await.unwrap();
    let impatient = stage.push_keyed(&user, "late", KEY);
    assert!(tokio::time::timeout(Duration::from_millis(50), impatient).await.is_err());
    let accepted = async {
        while stage.sent().await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), accepted).await.expect("carried out in the end");
    assert_eq!(stage.push_keyed(&user, "late", KEY).await.unwrap().status, 409);
}

#[tokio::test]
async fn faults_can_wait_be_rare_and_be_cleared() {
    let stage = Stage::new().await;
    let (_, user) = stage.friend().await;
    stage.control.add_fault(&Fault { skip: 2, ..Fault::times(Effect::ServerError, 1) }).await.unwrap();
    let mut statuses = Vec::new();
    for n in 0..4 {
        statuses.push(stage.push(&user, &n.to_string()).await.status);
    }
    assert_eq!(statuses, [200, 200, 500, 200]);
    stage.control.add_fault(&Fault { probability: 0.5, ..Fault::always(Effect::ServerError) }).await.unwrap();
    let mut failed = 0;
    for n in 0..40 {
        failed += u32::from(stage.push(&user, &format!("p{n}")).await.status == 500);
    }
    assert!((5..=35).contains(&failed), "{failed}");
    stage.control.clear_faults().await.unwrap();
    assert_eq!(stage.push(&user, "clear").await.status, 200);
}
