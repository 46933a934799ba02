//! Many at once, at several replicas: at most one link for a customer, and at most one for a LINE user (L-03, D-6).

use std::collections::BTreeMap;

use contracts::identity::v1::*;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::stage::{HANAKO, MOBILE, Nonce, Stage, nonce_in, person};
use super::submit::booking;
use crate::house::Caller;

/// Attempts of LINE users, each with a name: submitted, not confirmed.
async fn submitted(stage: &Stage, claims: &[(String, String)]) -> Vec<Nonce> {
    let mut users: Vec<&String> = claims.iter().map(|(user, _)| user).collect();
    users.dedup();
    let follows: Vec<_> = users.iter().map(|user| stage.event("follow", user, stage.moment(), "")).collect();
    stage.send(&follows).await;
    let one = async |(user, given): &(String, String)| {
        let token = stage.token(user).await;
        let request = SubmitLinkAttemptRequest { activity: None, ..booking(&token, ("山田", given), MOBILE, "") };
        nonce_in(&stage.submit(request).await.unwrap().redirect_uri)
    };
    let nonces = stream::iter(claims).map(one).buffered(16).collect().await;
    // The limits are another matter.
    stage.alter("UPDATE identity.link_attempt SET limited = false").await;
    nonces
}

/// How often attempts ended how.
async fn outcomes(stage: &Stage) -> BTreeMap<(String, String), i64> {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT outcome, reason, count(*) FROM identity.link_attempt GROUP BY 1, 2")
            .fetch_all(&stage.house.admin().await)
            .await
            .unwrap();
    rows.into_iter().map(|(outcome, reason, count)| ((outcome, reason), count)).collect()
}

fn of(outcomes: &BTreeMap<(String, String), i64>, outcome: &str) -> i64 {
    outcomes.iter().filter(|((found, _), _)| found == outcome).map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_users_who_claim_one_customer_exactly_one_is_linked() {
    let stage = Stage::open("at_once_users").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let claims: Vec<_> = (1..=200).map(|who| (person(who), "花子".to_owned())).collect();
    let nonces = submitted(&stage, &claims).await;
    let (host, _replica) = stage.house.beside().await;
    let words: Vec<_> =
        claims.iter().zip(&nonces).map(|((who, _), nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    let outcomes = outcomes(&stage).await;
    assert_eq!((of(&outcomes, "LINKED"), of(&outcomes, "REFUSED")), (1, 199), "{outcomes:?}");
    assert_eq!((stage.active().await, stage.count("identity.link").await), (1, 1));
    assert_eq!(stage.standing(&customer).await.links.len(), 1);
    assert_eq!(stage.count("identity.customer").await, 1);
    stage.replay().await;
    host.stop();
    host.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_attempts_of_one_user_exactly_one_links() {
    let stage = Stage::open("at_once_customers").await;
    let claims: Vec<_> = (1..=200).map(|number| (person(1), format!("花子{number}"))).collect();
    let on_record = stream::iter(&claims).map(|(_, given)| stage.customer(("山田", given), MOBILE));
    let customers: Vec<String> = on_record.buffered(16).collect().await;
    let nonces = submitted(&stage, &claims).await;
    let (host, _replica) = stage.house.beside().await;
    let words: Vec<_> = nonces.iter().map(|nonce| stage.confirmed(&person(1), stage.moment(), nonce)).collect();
    stage.send(&words).await;
    let outcomes = outcomes(&stage).await;
    assert_eq!((of(&outcomes, "LINKED"), of(&outcomes, "REFUSED")), (1, 199), "{outcomes:?}");
    let linked = stage.linked(&person(1)).await;
    assert!(linked.len() == 1 && customers.contains(&linked[0].0));
    assert_eq!(stage.count("identity.link").await, 1);
    stage.replay().await;
    host.stop();
    host.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_held_attempts_that_are_decided_anew_all_at_once_exactly_one_links() {
    let stage = Stage::open("at_once_held").await;
    stage.hold().await;
    let claims: Vec<_> = (1..=24).map(|who| (person(who), "花子".to_owned())).collect();
    let nonces = submitted(&stage, &claims).await;
    let words: Vec<_> =
        claims.iter().zip(&nonces).map(|((who, _), nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    assert_eq!(of(&outcomes(&stage).await, "HELD"), 24);
    stage.customer(HANAKO, MOBILE).await;
    let (host, replica) = stage.house.beside().await;
    let url = format!("http://{}", replica.grpc_addr()).parse().unwrap();
    let client = chassis::grpc::Client::on_loopback(&url, &stage.house.operator).unwrap();
    let beside = Caller(client.for_tenant(stage.tenant));
    beside.known().await;
    let request = ListLinkAttemptsRequest { review_queue: true, page_size: 200, ..ListLinkAttemptsRequest::default() };
    let held = stage.at().attempts().list_link_attempts(request).await.unwrap().into_inner().link_attempts;
    // Each at both replicas: one of the two comes first.
    let calls = held.iter().flat_map(|attempt| [(attempt, stage.at()), (attempt, beside.clone())]);
    let calls = calls.map(async |(attempt, at)| {
        let request =
            ReconsiderLinkAttemptRequest { link_attempt_id: attempt.link_attempt_id.clone(), etag: String::new() };
        at.attempts().reconsider_link_attempt(request).await
    });
    let done = join_all(calls).await.into_iter().flatten().count();
    assert_eq!(done, 24);
    let outcomes = outcomes(&stage).await;
    assert_eq!((of(&outcomes, "LINKED"), of(&outcomes, "REFUSED"), stage.active().await), (1, 23, 1), "{outcomes:?}");
    stage.replay().await;
    host.stop();
    host.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_users_who_match_nobody_under_one_name_at_once_each_has_his_own_record() {
    let stage = Stage::open("at_once_new").await;
    let claims: Vec<_> = (1..=8).map(|who| (person(who), "花子".to_owned())).collect();
    let nonces = submitted(&stage, &claims).await;
    let (host, _replica) = stage.house.beside().await;
    let words: Vec<_> =
        claims.iter().zip(&nonces).map(|((who, _), nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    // The first makes the record, and the others are on its whole key: they ask to take it over.
    let outcomes = outcomes(&stage).await;
    assert_eq!((of(&outcomes, "CREATED_NEW"), of(&outcomes, "REFUSED")), (1, 7), "{outcomes:?}");
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (1, 1));
    stage.replay().await;
    host.stop();
    host.wait().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submissions_and_confirmations_of_the_same_people_never_wait_for_each_other_in_a_circle() {
    let mut stage = Stage::open("at_once_circle").await;
    // Two of a name and a number, so that they meet in all that is locked.
    let users: Vec<(String, String)> = (1..=8).map(|who| (person(who), format!("花子{}", who % 4))).collect();
    let follows: Vec<_> = users.iter().map(|(who, _)| stage.event("follow", who, stage.moment(), "")).collect();
    stage.send(&follows).await;
    let (host, _replica) = stage.house.beside().await;
    let mut nonces: Vec<(&String, Nonce)> = Vec::new();
    for round in 0..8 {
        let mut tokens = Vec::new();
        for (who, given) in &users {
            tokens.push((who, given, stage.token(who).await));
        }
        let submit = tokens.iter().map(async |(who, given, token)| {
            let booking = booking(token, ("山田", given), MOBILE, &format!("{who}/{round}"));
            (*who, nonce_in(&stage.submit(booking).await.unwrap().redirect_uri))
        });
        let words: Vec<_> = nonces.iter().map(|(who, nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
        let (submitted, ()) = tokio::join!(join_all(submit), stage.send(&words));
        nonces = submitted;
    }
    let words: Vec<_> = nonces.iter().map(|(who, nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    let outcomes = outcomes(&stage).await;
    assert_eq!(of(&outcomes, "CREATED_NEW") + of(&outcomes, "LINKED"), 4, "{outcomes:?}");
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (4, 4));
    assert_eq!(stage.count("identity.activity").await, 64);
    host.stop();
    host.wait().await.unwrap();
    stage.house.stop().await;
    // Connections tell what they counted when they end at the latest.
    let admin = stage.house.admin().await;
    let others =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
         AND usename <> current_user";
    Stage::until(|| async {
        let open: i64 = sqlx::query_scalar(others).fetch_one(&admin).await.unwrap();
        if open == 0 { Ok(()) } else { Err(format!("{open} connections")) }
    })
    .await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = sqlx::query_scalar(deadlocks).fetch_one(&admin).await.unwrap();
    assert_eq!(deadlocks, 0);
}
