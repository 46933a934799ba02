//! Many at once, at several replicas: at most one link for a customer, and at most one for a LINE user (L-03, D-6).

use std::collections::BTreeMap;

use chrono::TimeDelta;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use super::stage::{HANAKO, MOBILE, Nonce, OTHER_MOBILE, Stage, nonce_in, person};
use super::submit::booking;
use crate::house::{Caller, Replica};
use crate::refused::reason;

/// How long goes by, by either clock, after ten attempts: nobody tries too often.
const PAUSE: TimeDelta = TimeDelta::minutes(61);

/// What a LINE user types.
struct Claim {
    user: String,
    given: String,
    mobile: String,
}

/// So many LINE users who all type the same.
fn of_users(number: u32) -> Vec<Claim> {
    let claim = |who| Claim { user: person(who), given: "花子".to_owned(), mobile: MOBILE.to_owned() };
    (1..=number).map(claim).collect()
}

/// One LINE user who types another name and another number each time, so that these have nothing but the user in common.
fn of_one_user(number: u32) -> Vec<Claim> {
    let claim = |time| Claim { user: person(1), given: format!("花子{time}"), mobile: format!("090-1234-{time:04}") };
    (1..=number).map(claim).collect()
}

/// Attempts of LINE users: submitted, not confirmed. LINE's words that they were come all at once, each of its own
/// time.
async fn submitted(stage: &Stage, claims: &[Claim]) -> Vec<(&'static str, String)> {
    let mut users: Vec<&String> = claims.iter().map(|claim| &claim.user).collect();
    users.dedup();
    let follows: Vec<_> = users.iter().map(|user| stage.event("follow", user, stage.moment(), "")).collect();
    stage.send(&follows).await;
    let one = async |Claim { user, given, mobile }: &Claim| {
        let token = stage.token(user).await;
        let request = SubmitLinkAttemptRequest { activity: None, ..booking(&token, ("山田", given), mobile, "") };
        (user.clone(), nonce_in(&stage.submit(request).await.unwrap().redirect_uri))
    };
    let mut told: Vec<(String, Nonce, i64)> = Vec::new();
    for few in claims.chunks(10) {
        let nonces: Vec<_> = stream::iter(few).map(one).buffered(10).collect().await;
        told.extend(nonces.into_iter().map(|(user, nonce)| (user, nonce, stage.moment())));
        stage.alter("UPDATE identity.link_attempt SET submit_time = submit_time - interval '61 minutes'").await;
        for (.., time) in &mut told {
            *time -= PAUSE.num_milliseconds();
        }
    }
    assert_eq!(stage.count("identity.link_attempt WHERE limited").await, 0);
    // LINE's words come so late that none of them counts as a try at a customer.
    stage.alter("UPDATE identity.link_attempt SET submit_time = submit_time - interval '2 days'").await;
    let told = told.iter().map(|(user, nonce, time)| (user, nonce, time - TimeDelta::days(2).num_milliseconds()));
    told.map(|(user, nonce, time)| stage.confirmed(user, time, nonce)).collect()
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
async fn recorded(stage: &Stage, claims: &[Claim]) -> Vec<String> {
    let customers = stream::iter(claims).map(|claim| stage.customer(("山田", &claim.given), &claim.mobile));
    customers.buffered(16).collect().await
}

/// The operator, calling at another replica.
async fn caller(stage: &Stage, (_, replica): &Replica) -> Caller {
    let url = format!("http://{}", replica.grpc_addr()).parse().unwrap();
    let client = chassis::grpc::Client::on_loopback(&url, &stage.house.operator).unwrap();
    let caller = Caller(client.for_tenant(stage.tenant));
    caller.known().await;
    caller
}

/// Makes calls, more of them at a time than there are connections to the database.
async fn at_once<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(calls).buffer_unordered(40).collect().await
}

/// The review queue.
async fn queue(stage: &Stage) -> Vec<LinkAttempt> {
    let request = ListLinkAttemptsRequest { review_queue: true, page_size: 200, ..ListLinkAttemptsRequest::default() };
    stage.at().attempts().list_link_attempts(request).await.unwrap().into_inner().link_attempts
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
    let customer = stage.customer(HANAKO, MOBILE).await;
    let claims = of_users(200);
    let words = submitted(&stage, &claims).await;
    let replicas = [stage.house.beside().await];
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
    let claims = of_one_user(200);
    let customers = recorded(&stage, &claims).await;
    let words = submitted(&stage, &claims).await;
    // Within a replica one user's events come one after the other.
    let replicas = [stage.house.beside().await, stage.house.beside().await, stage.house.beside().await];
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
async fn held_and_decided_anew(stage: &Stage, claims: &[Claim], of: &[Claim]) -> usize {
    stage.hold().await;
    let words = submitted(stage, claims).await;
    stage.send(&words).await;
    assert_eq!(outcomes(stage).await, ended([("HELD", "POLICY_HOLD", 200)]));
    recorded(stage, of).await;
    let replicas = [stage.house.beside().await];
    let beside = caller(stage, &replicas[0]).await;
    let held = queue(stage).await;
    // Each at both replicas: one of the two comes first.
    let calls = held.iter().flat_map(|attempt| [(attempt, stage.at()), (attempt, beside.clone())]);
    let calls = calls.map(async |(attempt, at)| {
        let request =
            ReconsiderLinkAttemptRequest { link_attempt_id: attempt.link_attempt_id.clone(), etag: String::new() };
        at.attempts().reconsider_link_attempt(request).await
    });
    let (done, refused): (Vec<_>, Vec<_>) = at_once(calls).await.into_iter().partition(Result::is_ok);
    for refused in refused {
        assert_eq!(reason(refused).1, "ATTEMPT_NOT_HELD");
    }
    assert_eq!((stage.active().await, stage.told_links().await.len()), (1, 1));
    stage.replay().await;
    stopped(replicas).await;
    done.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_held_attempts_at_one_customer_decided_anew_at_once_exactly_one_links() {
    let stage = Stage::open("at_once_held").await;
    let claims = of_users(200);
    assert_eq!(held_and_decided_anew(&stage, &claims, &claims[..1]).await, 200);
    assert_eq!(outcomes(&stage).await, one_and(199, "CUSTOMER_HAS_OTHER_LINE_USER"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_held_attempts_of_one_user_decided_anew_at_once_exactly_one_links() {
    let stage = Stage::open("at_once_held_user").await;
    let claims = of_one_user(200);
    // Who is linked has nothing left in the queue.
    assert_eq!(held_and_decided_anew(&stage, &claims, &claims).await, 1);
    assert_eq!(outcomes(&stage).await, ended([("HELD", "POLICY_HOLD", 199), ("LINKED", "NONE", 1)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_users_who_match_nobody_under_one_name_at_once_one_makes_the_record_and_the_others_ask_for_it() {
    let stage = Stage::open("at_once_new").await;
    let claims = of_users(24);
    let words = submitted(&stage, &claims).await;
    let replicas = [stage.house.beside().await];
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
    let stage = Stage::open("at_once_circle").await;
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
    let begun = outcomes.iter().filter(|((outcome, _), _)| matches!(&**outcome, "CREATED_NEW" | "LINKED"));
    assert_eq!(begun.map(|(_, count)| count).sum::<i64>(), 4, "{outcomes:?}");
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (4, 4));
    assert_eq!(stage.count("identity.activity").await, 64);
    host.stop();
    host.wait().await.unwrap();
    nobody_waited_in_a_circle(stage).await;
}

/// The database broke up no circle, which would have been seen by nobody but whoever is answered a second later.
async fn nobody_waited_in_a_circle(mut stage: Stage) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_of_line_users_on_each_others_records_never_wait_for_each_other_in_a_circle() {
    let stage = Stage::open("at_once_each_other").await;
    let claims = of_users(6).into_iter().zip(of_one_user(6));
    let claims: Vec<Claim> = claims.map(|(claim, other)| Claim { user: claim.user, ..other }).collect();
    let mut made = Vec::new();
    for Claim { user, given, mobile } in &claims {
        made.push(stage.link(user, ("山田", given), mobile).await.customer_id);
    }
    for round in 0..16 {
        stage.alter("UPDATE identity.link SET assurance = 'PROVEN'").await;
        let mut bookings = Vec::new();
        for (number, Claim { user, .. }) in claims.iter().enumerate() {
            // Two and two book under each other's name, whose link that lowers.
            let (token, other) = (stage.token(user).await, number ^ 1);
            let Claim { given, mobile, .. } = &claims[other];
            bookings.push((booking(&token, ("山田", given), mobile, &format!("{number}/{round}")), &made[other]));
        }
        let booked = bookings.into_iter().map(async |(booking, other)| (stage.submit(booking).await.unwrap(), other));
        for (submitted, other) in join_all(booked).await {
            assert_eq!(&submitted.activity.unwrap().customer_id, other);
        }
        assert_eq!(stage.count("identity.link WHERE assurance = 'NAME_AND_MOBILE'").await, 6);
    }
    nobody_waited_in_a_circle(stage).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_held_attempts_that_staff_settle_at_once_for_one_customer_exactly_one_links() {
    let stage = Stage::open("at_once_settled").await;
    stage.hold().await;
    // Names and numbers of their own, so that these have nothing but the customer in common.
    let named = |(who, claim): (u32, Claim)| Claim { user: person(who), ..claim };
    let claims: Vec<Claim> = (1..).zip(of_one_user(48)).map(named).collect();
    let words = submitted(&stage, &claims).await;
    stage.send(&words).await;
    let customer = stage.customer(("鈴木", "一郎"), OTHER_MOBILE).await;
    let replicas = [stage.house.beside().await];
    let both = [stage.at(), caller(&stage, &replicas[0]).await];
    let held = queue(&stage).await;
    assert_eq!(held.len(), 48);
    let calls = held.iter().zip(both.iter().cycle()).map(async |(attempt, at)| {
        let request = ResolveLinkAttemptRequest {
            link_attempt_id: attempt.link_attempt_id.clone(),
            resolution: Some(Resolution::CustomerId(customer.clone())),
            note: "電話で確認".to_owned(),
            etag: String::new(),
        };
        at.attempts().resolve_link_attempt(request).await
    });
    let (done, refused): (Vec<_>, Vec<_>) = at_once(calls).await.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 47));
    for refused in refused {
        assert_eq!(reason(refused).1, "CUSTOMER_HAS_OTHER_LINE_USER");
    }
    assert_eq!((stage.active().await, stage.told_links().await.len(), queue(&stage).await.len()), (1, 1, 47));
    stopped(replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_of_one_person_at_once_are_one_customers() {
    let stage = Stage::open("at_once_bookings").await;
    let references: Vec<String> = (1..=32).map(|number| format!("B-{number}")).collect();
    let booked = references.iter().map(|reference| stage.submit(booking("", HANAKO, MOBILE, reference)));
    let booked = at_once(booked).await;
    assert!(booked.iter().all(Result::is_ok), "{booked:?}");
    assert_eq!((stage.count("identity.customer").await, stage.count("identity.activity").await), (1, 32));
}
