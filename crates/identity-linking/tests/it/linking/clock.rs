//! LINE's clock is not ours: what LINE tells a little before, by its own clock, still counts.

use chrono::TimeDelta;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;

use super::review::resolve;
use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

fn millis(time: Option<prost_types::Timestamp>) -> i64 {
    let time = time.expect("a time");
    time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000
}

#[tokio::test]
async fn a_confirmation_counts_though_lines_clock_is_minutes_behind() {
    let stage = Stage::open("clock_confirmed").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.ask(&who, HANAKO, MOBILE).await;
    let submitted = millis(stage.attempt_of(&who).await.submit_time);
    let told = submitted - TimeDelta::minutes(5).num_milliseconds() + 1;
    stage.send(&[stage.confirmed(&who, told, &nonce)]).await;
    assert_eq!(decision(&stage.attempt_of(&who).await), (LinkOutcome::Linked, LinkReason::None));
    let link = stage.links_of(&who).await.remove(0);
    assert_eq!(millis(link.create_time), told, "since LINE's word, by LINE's clock");
    // And what LINE tells after that, by the same clock, ends it.
    stage.send(&[stage.tapped(&who, told + 1, "unlink:yes")]).await;
    assert_eq!(stage.active().await, 0);

    let nonce = stage.ask(&person(2), HANAKO, MOBILE).await;
    let submitted = millis(stage.attempt_of(&person(2)).await.submit_time);
    let too_early = submitted - TimeDelta::minutes(5).num_milliseconds() - 1;
    stage.send(&[stage.confirmed(&person(2), too_early, &nonce)]).await;
    let refused = stage.attempt_of(&person(2)).await;
    assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::NotConfirmedByLine));
}

#[tokio::test]
async fn a_person_ends_a_link_of_our_own_clock_though_lines_is_five_seconds_behind() {
    let stage = Stage::open("clock_unlinked").await;
    stage.hold().await;
    for (who, name, before, stands) in [(1, HANAKO, 4_900, 0), (2, ("鈴木", "一郎"), 5_100, 1)] {
        let customer = stage.customer(name, OTHER_MOBILE).await;
        let who = person(who);
        let nonce = stage.ask(&who, name, MOBILE).await;
        // LINE confirmed it a minute before, by its clock.
        stage.send(&[stage.confirmed(&who, stage.moment() - 60_000, &nonce)]).await;
        let held = stage.attempt_of(&who).await;
        resolve(&stage, &held, Resolution::CustomerId(customer)).await.unwrap();
        let began = millis(stage.links_of(&who).await.remove(0).create_time);
        stage.send(&[stage.tapped(&who, began - before, "unlink:yes")]).await;
        assert_eq!(stage.linked(&who).await.len(), stands, "{before}");
    }
}
