//! Many at once, at several replicas: at most one link for a customer, and at most one for a LINE user (L-03, D-6).

use std::collections::BTreeMap;

use contracts::identity::v1::*;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::stage::{HANAKO, MOBILE, Nonce, Stage, nonce_in, person};
use super::submit::booking;
use crate::house::{Caller, Replica};
use crate::refused::reason;

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
    let mut nonces = Vec::new();
    for few in claims.chunks(10) {
        nonces.extend(stream::iter(few).map(one).buffered(10).collect::<Vec<_>>().await);
        // More than an hour goes by, so that nobody tries too often.
        stage.alter("UPDATE identity.link_attempt SET submit_time = submit_time - interval '61 minutes'").await;
    }
    assert_eq!(stage.count("identity.link_attempt WHERE limited").await, 0);
    stage.alter("UPDATE identity.link_attempt SET submit_time = confirm_until - interval '15 minutes'").await;
    nonces
}

/// From now on every decision counts as if it had been made two hours before: how many a customer may be looked at by is another
/// matter.
async fn unhurried(stage: &Stage) {
    let aged = "CREATE FUNCTION public.aged() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.decide_time := NEW.decide_time - interval ''2 hours''; RETURN NEW; END';
        CREATE TRIGGER aged BEFORE INSERT ON identity.link_candidate FOR EACH ROW EXECUTE FUNCTION public.aged()";
    sqlx::raw_sql(aged).execute(&stage.house.admin().await).await.unwrap();
}

/// Nobody ran into anybody: what waits for a lock finds what the one before it did, and nothing fails and is tried again.
async fn nothing_was_put_aside(stage: &Stage) {
    let figures = stage.house.figures().await;
    let aside: Vec<_> = figures.lines().filter(|line| line.starts_with("tsunagi_bus_parked_total")).collect();
    assert!(aside.is_empty(), "{aside:?}");
}

/// How often attempts ended how: outcome, reason, number.
type Outcomes = BTreeMap<(String, String), i64>;

fn ended<const N: usize>(how: [(&str, &str, i64); N]) -> Outcomes {
    how.into_iter().map(|(outcome, reason, count)| ((outcome.to_owned(), reason.to_owned()), count)).collect()
}

async fn outcomes(stage: &Stage) -> Outcomes {
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT outcome, reason, count(*) FROM identity.link_attempt GROUP BY 1, 2")
            .fetch_all(&stage.house.admin().await)
            .await
            .unwrap();
    rows.into_iter().map(|(outcome, reason, count)| ((outcome, reason), count)).collect()
}

/// One is linked, and every other is refused for one reason.
fn one_and(refused: i64, reason: &str) -> Outcomes {
    ended([("LINKED", "NONE", 1), ("REFUSED", reason, refused)])
}

/// Puts a customer on record for each claim.
async fn recorded(stage: &Stage, claims: &[(String, String)]) -> Vec<String> {
    let customers = stream::iter(claims).map(|(_, given)| stage.customer(("山田", given), MOBILE));
    customers.buffered(16).collect().await
}

async fn stopped(replicas: impl IntoIterator<Item = Replica>) {
    for (host, _replica) in replicas {
        host.stop();
        host.wait().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_users_who_claim_one_customer_exactly_one_is_linked() {
    let stage = Stage::open("at_once_users").await;
    unhurried(&stage).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let claims: Vec<_> = (1..=200).map(|who| (person(who), "花子".to_owned())).collect();
    let nonces = submitted(&stage, &claims).await;
    let replicas = [stage.house.beside().await];
    let words: Vec<_> =
        claims.iter().zip(&nonces).map(|((who, _), nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    assert_eq!(outcomes(&stage).await, one_and(199, "CUSTOMER_HAS_OTHER_LINE_USER"));
    assert_eq!((stage.active().await, stage.count("identity.link").await), (1, 1));
    let linked = stage.standing(&customer).await.links.remove(0).friend_id;
    assert_eq!(
        stage.count(&format!("identity.takeover_request WHERE state = 'OPEN' AND linked_friend_id = '{linked}'")).await,
        199,
        "each of the others asks for it"
    );
    assert_eq!((stage.count("identity.customer").await, stage.told_links().await.len()), (1, 1));
    nothing_was_put_aside(&stage).await;
    stage.replay().await;
    stopped(replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_attempts_of_one_user_exactly_one_links() {
    let stage = Stage::open("at_once_customers").await;
    unhurried(&stage).await;
    let claims: Vec<_> = (1..=200).map(|number| (person(1), format!("花子{number}"))).collect();
    let customers = recorded(&stage, &claims).await;
    let nonces = submitted(&stage, &claims).await;
    // Within a replica one user's events come one after the other.
    let replicas = [stage.house.beside().await, stage.house.beside().await, stage.house.beside().await];
    let words: Vec<_> = nonces.iter().map(|nonce| stage.confirmed(&person(1), stage.moment(), nonce)).collect();
    stage.send(&words).await;
    assert_eq!(outcomes(&stage).await, one_and(199, "LINE_USER_HAS_OTHER_CUSTOMER"));
    let linked = stage.linked(&person(1)).await;
    assert!(linked.len() == 1 && customers.contains(&linked[0].0));
    assert_eq!((stage.count("identity.link").await, stage.told_links().await.len()), (1, 1));
    nothing_was_put_aside(&stage).await;
    stage.replay().await;
    stopped(replicas).await;
}

/// Has attempts held, puts their customers on record, and has every attempt decided anew at two replicas, all at once.
async fn held_and_decided_anew(stage: &Stage, claims: &[(String, String)], of: &[(String, String)]) {
    stage.hold().await;
    let nonces = submitted(stage, claims).await;
    let words: Vec<_> =
        claims.iter().zip(&nonces).map(|((who, _), nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    assert_eq!(outcomes(stage).await, ended([("HELD", "POLICY_HOLD", 200)]));
    recorded(stage, of).await;
    let replicas = [stage.house.beside().await];
    let url = format!("http://{}", replicas[0].1.grpc_addr()).parse().unwrap();
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
    let (done, refused): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 200);
    for refused in refused {
        assert_eq!(reason(refused).1, "ATTEMPT_NOT_HELD");
    }
    assert_eq!((stage.active().await, stage.told_links().await.len()), (1, 1));
    stage.replay().await;
    stopped(replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_held_attempts_at_one_customer_decided_anew_at_once_exactly_one_links() {
    let stage = Stage::open("at_once_held").await;
    let claims: Vec<_> = (1..=200).map(|who| (person(who), "花子".to_owned())).collect();
    held_and_decided_anew(&stage, &claims, &claims[..1]).await;
    assert_eq!(outcomes(&stage).await, one_and(199, "CUSTOMER_HAS_OTHER_LINE_USER"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_held_attempts_of_one_user_decided_anew_at_once_exactly_one_links() {
    let stage = Stage::open("at_once_held_user").await;
    let claims: Vec<_> = (1..=200).map(|number| (person(1), format!("花子{number}"))).collect();
    held_and_decided_anew(&stage, &claims, &claims).await;
    assert_eq!(outcomes(&stage).await, one_and(199, "LINE_USER_HAS_OTHER_CUSTOMER"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_users_who_match_nobody_under_one_name_at_once_one_makes_the_record_and_the_others_ask_for_it() {
    let stage = Stage::open("at_once_new").await;
    let claims: Vec<_> = (1..=24).map(|who| (person(who), "花子".to_owned())).collect();
    let nonces = submitted(&stage, &claims).await;
    let replicas = [stage.house.beside().await];
    let words: Vec<_> =
        claims.iter().zip(&nonces).map(|((who, _), nonce)| stage.confirmed(who, stage.moment(), nonce)).collect();
    stage.send(&words).await;
    let expected = ended([("CREATED_NEW", "NO_MATCH", 1), ("REFUSED", "CUSTOMER_HAS_OTHER_LINE_USER", 23)]);
    assert_eq!(outcomes(&stage).await, expected);
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (1, 1));
    nothing_was_put_aside(&stage).await;
    stage.replay().await;
    stopped(replicas).await;
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
