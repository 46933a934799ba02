//! the service's clock jumps by hours and comes back, while LINE's and the database's, on other machines, are right; and LINE's clock
//! is behind ours.

use std::sync::Arc;

use chrono::TimeDelta;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use kernel::{Clock, SystemClock, Timestamp};
use std::sync::atomic::{AtomicI64, Ordering};

use super::review::resolve;
use super::stage::{HANAKO, MOBILE, Name, OTHER_MOBILE, Stage, decision, person};
use super::takeover::{answer, holder, request};
use crate::house::House;

const LINKED: (LinkOutcome, LinkReason) = (LinkOutcome::Linked, LinkReason::None);
const GIVEN_UP: (LinkOutcome, LinkReason) = (LinkOutcome::Refused, LinkReason::NotConfirmedByLine);
const FIELDS: [(&str, &str); 3] = [("family", "山田"), ("given", "花子"), ("mobile", MOBILE)];

/// The machine's clock, so many minutes ahead.
#[derive(Clone, Debug, Default)]
struct Wrong(Arc<AtomicI64>);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        SystemClock.now() + TimeDelta::minutes(self.0.load(Ordering::SeqCst))
    }
}

impl Wrong {
    fn jump(&self, minutes: i64) {
        self.0.store(minutes, Ordering::SeqCst);
    }

    fn comes_back(&self) {
        self.jump(0);
    }

    async fn stage(&self, hint: &str) -> Stage {
        Stage::in_house(House::open_by(hint, Arc::new(self.clone())).await).await
    }
}

/// Waits until the attempt of a user is decided so.
async fn decided(stage: &Stage, who: &str, wanted: (LinkOutcome, LinkReason)) {
    Stage::until(|| async {
        let attempt = stage.attempt_of(who).await;
        if decision(&attempt) == wanted { Ok(()) } else { Err(format!("{attempt:?}")) }
    })
    .await;
}

#[tokio::test]
async fn what_was_submitted_by_a_clock_that_jumped_is_linked_by_lines_word() {
    let clock = Wrong::default();
    let stage = clock.stage("clocks_submitted").await;
    for (number, jump) in [(1, -360), (2, -60), (3, 50)] {
        let (who, given) = (person(number), format!("花子{number}"));
        let name: Name<'_> = ("山田", &given);
        let customer = stage.customer(name, MOBILE).await;
        let form = stage.look(&stage.tap(&who, "reservations").await).await;
        clock.jump(jump);
        let nonce = form.submit(&[("family", name.0), ("given", name.1), FIELDS[2]]).await.nonce();
        let word = stage.confirmed(&who, stage.moment(), &nonce);
        clock.comes_back();
        if jump < 0 {
            decided(&stage, &who, GIVEN_UP).await;
        }
        stage.send(&[word.clone(), word]).await;
        assert_eq!(decision(&stage.attempt_of(&who).await), LINKED, "{jump}");
        assert_eq!(stage.linked(&who).await.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [customer], "{jump}");
    }
    assert_eq!((stage.active().await, stage.count("identity.link").await), (3, 3));
    stage.replay().await;
}

#[tokio::test]
async fn what_waits_while_the_clock_jumps_is_given_up_and_linked_by_lines_word() {
    let clock = Wrong::default();
    let stage = clock.stage("clocks_waiting").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.ask(&person(1), HANAKO, MOBILE).await;
    clock.jump(180);
    decided(&stage, &person(1), GIVEN_UP).await;
    // LINE's word is heard by the wrong clock, and heard again by the right one.
    let word = stage.confirmed(&person(1), stage.moment(), &nonce);
    stage.send(std::slice::from_ref(&word)).await;
    clock.comes_back();
    stage.send(&[word]).await;
    assert_eq!(decision(&stage.attempt_of(&person(1)).await), LINKED);
    assert_eq!(stage.links_of(&person(1)).await.remove(0).customer_id, customer);
    // A token that was issued by a clock behind is old by the right one; a new one works.
    clock.jump(-180);
    let form = stage.look(&stage.tap(&person(2), "reservations").await).await;
    clock.comes_back();
    assert_eq!(form.submit(&FIELDS).await.status, 404);
    let form = stage.look(&stage.tap(&person(2), "reservations").await).await;
    assert_eq!(form.submit(&FIELDS).await.status, 303);
}

#[tokio::test]
async fn what_was_tried_by_a_clock_ahead_locks_nobody_out_when_it_is_right() {
    let stage = Wrong::default().stage("clocks_rate").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), ("鈴木", "一郎"), MOBILE).await;
    stage
        .alter(
            "INSERT INTO identity.link_attempt (tenant_id, link_attempt_id, version, method, account_id, friend_id,
                 nonce_hash, address_hash, submit_time, confirm_until, decide_time, outcome, reason)
             SELECT tenant_id, gen_random_uuid(), 2, method, account_id, friend_id,
                 sha256(gen_random_uuid()::text::bytea), address_hash, now() + interval '5 hours', now(),
                 now() + interval '5 hours', 'REFUSED', 'NOT_CONFIRMED_BY_LINE'
             FROM identity.link_attempt, generate_series(1, 6000)",
        )
        .await;
    stage
        .alter(
            "INSERT INTO identity.link_attempt_customer (tenant_id, customer_id, link_attempt_id, submit_time, decide_time)
             SELECT c.tenant_id, c.customer_id, a.link_attempt_id, a.submit_time, a.decide_time
             FROM identity.link_attempt a JOIN identity.customer c USING (tenant_id) WHERE a.version = 2 AND a.nonce_hash IN (
                 SELECT nonce_hash FROM identity.link_attempt WHERE submit_time > now() + interval '1 hour' LIMIT 40)",
        )
        .await;
    // The same user, from the same address, by way of the same account, at the same customer.
    let nonce = stage.ask(&person(1), HANAKO, MOBILE).await;
    stage.send(&[stage.confirmed(&person(1), stage.moment(), &nonce)]).await;
    let limited = "SELECT count(*) FROM identity.link_attempt WHERE limited OR reason = 'RATE_LIMITED'";
    let limited: i64 = sqlx::query_scalar(limited).fetch_one(&stage.house.admin().await).await.unwrap();
    assert_eq!(limited, 0);
    let linked = stage.linked(&person(1)).await;
    assert_eq!(linked.len(), 1);
    assert!(!stage.record(&linked[0].0).await.provisional, "the customer absorbed the provisional one");
}

#[tokio::test]
async fn whom_staff_linked_by_a_clock_ahead_can_unlink_when_it_is_right() {
    let clock = Wrong::default();
    let stage = clock.stage("clocks_staff").await;
    stage.hold().await;
    let customer = stage.customer(HANAKO, OTHER_MOBILE).await;
    let held = stage.link(&person(1), HANAKO, MOBILE).await;
    clock.jump(180);
    resolve(&stage, &held, Resolution::CustomerId(customer)).await.unwrap();
    clock.comes_back();
    assert_eq!(stage.active().await, 1);
    stage.send(&[stage.tapped(&person(1), stage.moment(), "unlink:yes")]).await;
    assert_eq!(stage.active().await, 0);
    let link = stage.links_of(&person(1)).await.remove(0);
    assert!(link.end_time.unwrap().seconds >= link.create_time.unwrap().seconds, "it ends no sooner than it began");
}

#[tokio::test]
async fn whoever_unlinks_after_asking_by_a_clock_ahead_takes_nothing_over() {
    let clock = Wrong::default();
    let stage = clock.stage("clocks_takeover").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.send(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    // Linked to a provisional record of his own, he asks for another's.
    stage.link(&person(2), ("鈴木", "一郎"), MOBILE).await;
    let nonce = stage.ask(&person(2), HANAKO, MOBILE).await;
    clock.jump(180);
    let asked = stage.confirm(&person(2), &nonce).await;
    assert_eq!(decision(&asked), (LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser));
    clock.comes_back();
    assert_eq!(request(&stage, &asked.takeover_request_id).await.state(), TakeoverState::Open);
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    answer(&stage, 1, &asked.takeover_request_id, "yes").await;
    assert_eq!(request(&stage, &asked.takeover_request_id).await.state(), TakeoverState::Obsolete);
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(1)).await]);
    // And one that is open while the clock jumps by hours, either way, is there when it is right.
    let again = stage.link(&person(2), HANAKO, MOBILE).await.takeover_request_id;
    for jump in [-180, 180] {
        clock.jump(jump);
        stage.send(&[stage.tapped(&person(3), stage.moment(), "unlink")]).await;
        clock.comes_back();
    }
    answer(&stage, 1, &again, "yes").await;
    assert_eq!(holder(&stage, &customer).await, [stage.friend(&person(2)).await]);
}

fn millis(time: Option<prost_types::Timestamp>) -> i64 {
    let time = time.expect("a time");
    time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000
}

#[tokio::test]
async fn a_confirmation_counts_though_lines_clock_is_hours_behind() {
    let stage = Stage::open("clock_confirmed").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let nonce = stage.ask(&who, HANAKO, MOBILE).await;
    let submitted = millis(stage.attempt_of(&who).await.submit_time);
    let told = submitted - TimeDelta::hours(12).num_milliseconds() + 1;
    stage.send(&[stage.confirmed(&who, told, &nonce)]).await;
    assert_eq!(decision(&stage.attempt_of(&who).await), (LinkOutcome::Linked, LinkReason::None));
    let link = stage.links_of(&who).await.remove(0);
    assert_eq!(millis(link.create_time), told, "since LINE's word, by LINE's clock");
    // And what LINE tells after that, by the same clock, ends it.
    stage.send(&[stage.tapped(&who, told + 1, "unlink:yes")]).await;
    assert_eq!(stage.active().await, 0);

    let nonce = stage.ask(&person(2), HANAKO, MOBILE).await;
    let submitted = millis(stage.attempt_of(&person(2)).await.submit_time);
    let too_early = submitted - TimeDelta::hours(12).num_milliseconds() - 1;
    stage.send(&[stage.confirmed(&person(2), too_early, &nonce)]).await;
    let refused = stage.attempt_of(&person(2)).await;
    assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::NotConfirmedByLine));
}

#[tokio::test]
async fn a_person_ends_a_link_that_staff_began_though_lines_clock_is_behind_but_not_before_asking_for_it() {
    let stage = Stage::open("clock_unlinked").await;
    stage.hold().await;
    for (who, name, before, stands) in [(1, HANAKO, 50_000, 0), (2, ("鈴木", "一郎"), 70_000, 1)] {
        let customer = stage.customer(name, OTHER_MOBILE).await;
        let who = person(who);
        let nonce = stage.ask(&who, name, MOBILE).await;
        // LINE confirmed it a minute before, by its clock.
        let told = stage.moment() - 60_000;
        stage.send(&[stage.confirmed(&who, told, &nonce)]).await;
        let held = stage.attempt_of(&who).await;
        resolve(&stage, &held, Resolution::CustomerId(customer)).await.unwrap();
        stage.send(&[stage.tapped(&who, told + 60_000 - before, "unlink:yes")]).await;
        assert_eq!(stage.linked(&who).await.len(), stands, "{before}");
    }
}
