//! Whose the bookings of internal services are, in whatever order and however often they come (F-07, F-15, F-44).

use contracts::events::v1::Assurance;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use futures::future::join_all;
use tonic::{Code, Status};

use super::review::resolve;
use super::shuffle::Dice;
use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, nonce_in, person};
use super::submit::booking;
use crate::activity::told;
use crate::refused::reason;

/// One call, or two at once, while LINE is away or not.
#[derive(Clone, Copy, Debug)]
struct Step {
    calls: usize,
    away: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_comes_again_is_decided_as_if_line_had_never_been_away() {
    let stage = Stage::open("booked_again").await;
    let mut dice = Dice(11);
    let mut made = 0;
    for number in 1..=12 {
        let (who, given) = (person(number), format!("花子{number}"));
        let name = ("山田", &*given);
        let (mobile, other) = (format!("090-1234-{number:04}"), format!("080-8765-{number:04}"));
        // Two who match, so that nobody can tell; or one who nearly does.
        let is_ambiguous = number % 3 == 0;
        for _ in 0..if is_ambiguous { 2 } else { 1 } {
            stage.customer(name, if is_ambiguous { &mobile } else { &other }).await;
        }
        let token = stage.friends_with(&who).await;
        let mut steps = vec![Step { calls: 1, away: true }, Step { calls: 2, away: true }];
        dice.shuffle(&mut steps);
        steps.truncate(dice.below(3));
        steps.push(Step { calls: 1 + dice.below(2), away: false });
        let mut dialogs = Vec::new();
        for step in &steps {
            stage.house.messaging.refuse(step.away.then(|| Status::unavailable("LINE is away")));
            let calls = (0..step.calls).map(|_| stage.submit(booking(&token, name, &mobile, &given)));
            for called in join_all(calls).await {
                match called {
                    Ok(submitted) => dialogs.push(submitted.redirect_uri),
                    away => assert_eq!(reason(away), (Code::Unavailable, "LINE_UNAVAILABLE".to_owned()), "{steps:?}"),
                }
            }
        }
        dialogs.retain(|dialog| !dialog.is_empty());
        assert_eq!(dialogs.len(), 1, "a token is good for one submission: {steps:?}");
        let own = stage.booking(&given).await.customer_id;
        stage.send(&[stage.confirmed(&who, stage.moment(), &nonce_in(&dialogs[0]))]).await;
        let attempts = stage.attempts_of(&who).await;
        let attempt = attempts.iter().find(|attempt| attempt.reason() != LinkReason::TokenUsed).unwrap();
        let expected = if is_ambiguous {
            (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile)
        } else {
            (LinkOutcome::CreatedNew, LinkReason::PhoneMismatch)
        };
        assert_eq!(decision(attempt), expected, "{steps:?}");
        made += 1 + if is_ambiguous { 2 } else { 1 };
        assert_eq!(stage.count("identity.customer").await, made, "one was made: {steps:?}");
        let suspected = stage.suspicions().await;
        let suspected = suspected.iter().filter(|one| one.customer_id == own || one.other_customer_id == own).count();
        assert_eq!(suspected, if is_ambiguous { 2 } else { 1 }, "{steps:?}");
    }
    stage.replay().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bookings_of_one_reference_at_once_make_one_customer_whatever_name_they_come_under() {
    let stage = Stage::open("booked_reference").await;
    // Neither a name nor a number has two of them wait for each other.
    let typed = (0..12).map(|number| (format!("花子{number}"), format!("090-1234-{number:04}")));
    let typed: Vec<(String, String)> = typed.collect();
    let calls = typed.iter().map(|(given, mobile)| stage.submit(booking("", ("山田", given), mobile, "B-1")));
    let on: Vec<String> =
        join_all(calls).await.into_iter().map(|one| one.unwrap().activity.unwrap().customer_id).collect();
    assert!(on.iter().all(|customer| *customer == on[0]), "{on:?}");
    assert_eq!((stage.count("identity.customer").await, stage.count("identity.activity").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_activity_that_is_recorded_while_it_is_booked_is_whose_it_was_recorded_for() {
    let stage = Stage::open("booked_recorded").await;
    let (recorded, booked) =
        (stage.customer(("鈴木", "一郎"), OTHER_MOBILE).await, stage.customer(HANAKO, MOBILE).await);
    let admin = stage.house.admin().await;
    let waiting = async || -> i64 {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar(waiting).fetch_one(&admin).await.unwrap()
    };
    // The booking is held up on its way, once it looked for what is recorded and found nothing.
    let mut held_up = admin.begin().await.unwrap();
    let lock = sqlx::query("SELECT FROM identity.customer WHERE customer_id = $1::uuid FOR UPDATE").bind(&booked);
    lock.execute(&mut *held_up).await.unwrap();
    let booking = booking("", HANAKO, MOBILE, "B-1");
    let activity = Activity { customer_id: recorded.clone(), ..booking.activity.clone().unwrap() };
    let submit = stage.submit(booking);
    let record = async {
        Stage::until(async || if waiting().await == 1 { Ok(()) } else { Err("nobody waits".to_owned()) }).await;
        let record = RecordActivityRequest { activity: Some(activity), request_id: String::new() };
        let mut customers = stage.at().customers();
        let record = tokio::spawn(async move { customers.record_activity(record).await });
        let is_on_its_way = async || record.is_finished() || waiting().await == 2;
        Stage::until(async || if is_on_its_way().await { Ok(()) } else { Err("it is not there".to_owned()) }).await;
        held_up.rollback().await.unwrap();
        record.await.unwrap()
    };
    let (submitted, told) = tokio::join!(submit, record);
    submitted.unwrap();
    told.unwrap();
    assert_eq!(stage.booking("B-1").await.customer_id, recorded);
}

#[tokio::test]
async fn somebody_who_cannot_be_told_from_another_has_one_record_of_his_own_however_often_he_books() {
    let stage = Stage::open("booked_ambiguous").await;
    let (parent, stranger) = (person(1), person(2));
    let two = [stage.customer(HANAKO, MOBILE).await, stage.customer(HANAKO, MOBILE).await];
    for who in [&parent, &stranger] {
        stage.friends_with(who).await;
    }
    let book = async |who: &str, reference: &str| {
        let token = stage.token(who).await;
        let submitted = stage.submit(booking(&token, HANAKO, MOBILE, reference)).await.unwrap();
        (submitted.activity.unwrap().customer_id, nonce_in(&submitted.redirect_uri))
    };
    // Whether LINE says nothing, refuses, or confirms and it is held: he has one own record.
    let (own, _) = book(&parent, "B-1").await;
    assert!(!two.contains(&own));
    let (again, failed) = book(&parent, "B-2").await;
    stage.send(&[stage.failed(&failed)]).await;
    let (once_more, nonce) = book(&parent, "B-3").await;
    assert_eq!([&again, &once_more], [&own, &own]);
    let held = stage.confirm(&parent, &nonce).await;
    assert_eq!(decision(&held), (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile));
    assert_eq!(stage.count("identity.customer").await, 3);
    // Somebody else has his own, and whoever comes without a good token has one each time.
    let (of_stranger, _) = book(&stranger, "B-4").await;
    assert!(!two.contains(&of_stranger) && of_stranger != own);
    let unknown = stage.submit(booking("", HANAKO, MOBILE, "B-5")).await.unwrap().activity.unwrap().customer_id;
    assert_eq!(stage.count("identity.customer").await, 5, "{unknown}");
    // Staff settle who it is, and what he books from then on is there.
    let request = ResolveLinkAttemptRequest {
        link_attempt_id: held.link_attempt_id,
        note: "来店時に確認".to_owned(),
        resolution: Some(Resolution::CustomerId(two[0].clone())),
        ..ResolveLinkAttemptRequest::default()
    };
    stage.at().attempts().resolve_link_attempt(request).await.unwrap();
    let (settled, nonce) = book(&parent, "B-6").await;
    assert_eq!(settled, two[0]);
    let attempt = stage.confirm(&parent, &nonce).await;
    assert_eq!(decision(&attempt), (LinkOutcome::AlreadyLinked, LinkReason::AmbiguousNameAndMobile));
    assert_eq!(stage.linked(&parent).await, [(two[0].clone(), Assurance::Proven)]);
    assert_eq!(stage.count("identity.customer").await, 5);
    stage.replay().await;
}

#[tokio::test]
async fn a_booking_that_staff_moved_stays_there_and_says_nothing_more_of_whom_it_was_on() {
    let stage = Stage::open("booked_moved").await;
    let elsewhere = stage.customer(("鈴木", "一郎"), MOBILE).await;
    let book = async |token: &str, name, reference: &str| {
        let submitted = stage.submit(booking(token, name, MOBILE, reference)).await.unwrap();
        (submitted.activity.unwrap().customer_id, submitted.redirect_uri)
    };
    let moved = async |reference: &str| {
        let moved = told(&elsewhere, ActivityKind::Reservation, reference, 20_000);
        stage.at().customers().record_activity(moved).await.unwrap();
    };
    let (one, two) = (person(1), person(2));
    let (own, dialog) = book(&stage.friends_with(&one).await, HANAKO, "B-1").await;
    assert_eq!(book("", HANAKO, "B-2").await.0, own);
    moved("B-2").await;
    assert_eq!(book("", HANAKO, "B-2").await.0, elsewhere, "whoever tells it again knows less than staff");
    stage.confirm(&one, &nonce_in(&dialog)).await;
    assert_eq!(stage.linked(&one).await, [(own, Assurance::Proven)], "nothing of a stranger's is on it any more");
    // An own record is whose booking is on it.
    for _ in 0..2 {
        stage.customer(("佐藤", "二郎"), MOBILE).await;
    }
    let (first, _) = book(&stage.friends_with(&two).await, ("佐藤", "二郎"), "B-3").await;
    moved("B-3").await;
    let (second, _) = book(&stage.token(&two).await, ("佐藤", "二郎"), "B-4").await;
    assert_ne!(second, first);
    assert_eq!(book(&stage.token(&two).await, ("佐藤", "二郎"), "B-5").await.0, second);
}

#[tokio::test]
async fn whose_own_record_somebody_else_has_by_now_is_one_of_two_who_match() {
    let stage = Stage::open("booked_elsewhere").await;
    let (booker, other) = (person(1), person(2));
    let token = stage.friends_with(&booker).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "B-1")).await.unwrap();
    let own = submitted.activity.unwrap().customer_id;
    assert_eq!(stage.link(&other, HANAKO, MOBILE).await.customer_id, own);
    stage.customer(HANAKO, MOBILE).await;
    let held = stage.confirm(&booker, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!(decision(&held), (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile));
    assert_eq!(stage.linked(&booker).await, []);
    stage.replay().await;
}

#[tokio::test]
async fn an_own_record_that_staff_made_somebody_else_of_is_linked_by_staff_alone() {
    let stage = Stage::open("booked_changed").await;
    let who = person(1);
    let token = stage.friends_with(&who).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "B-1")).await.unwrap();
    let own = submitted.activity.unwrap().customer_id;
    let phones = vec![Phone { number: OTHER_MOBILE.to_owned(), kind: 0 }];
    let changed = Customer { customer_id: own.clone(), phones, ..Customer::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["phones".to_owned()] });
    let change = UpdateCustomerRequest { customer: Some(changed), update_mask };
    stage.at().customers().update_customer(change).await.unwrap();
    let held = stage.confirm(&who, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!(decision(&held), (LinkOutcome::Held, LinkReason::PhoneMismatch));
    assert_eq!(stage.active().await, 0);
    let settled = resolve(&stage, &held, Resolution::CustomerId(own.clone())).await.unwrap();
    assert_eq!(settled.customer_id, own);
    let told = settled.explanation.unwrap();
    assert!(
        told.ja.ends_with("選んだ顧客と連携しました。") && told.en.ends_with("the customer they chose."),
        "{told:?}"
    );
}
