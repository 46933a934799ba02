//! The end of it: a member unbound, a share left or taken back, a program killed.

use std::os::unix::process::ExitStatusExt as _;

use contracts::identity::v1::*;

use super::super::scene::{card, types};
use super::{Guest, end, leave, open, take_into_use};
use crate::house::SOON;
use crate::killing::{every_event_is_published_once, program};
use crate::linking::stage::{Stage, person};

#[tokio::test]
async fn who_is_unbound_in_one_tenant_stays_staff_of_the_other() {
    let stage = open("shared_unbound").await;
    let (one, two) = (Guest::open(&stage).await, Guest::open(&stage).await);
    let who = person(1);
    one.bind(&stage, &who).await;
    two.bind(&stage, &who).await;
    let unbind = UnbindStaffLineRequest { staff_id: one.staff.clone() };
    stage.house.at(one.tenant).staff().unbind_staff_line(unbind).await.unwrap();
    assert_eq!((one.state(&stage).await, two.state(&stage).await), (StaffLineState::NotBound, StaffLineState::Bound));
    // What LINE tells of him afterwards concerns the other one alone.
    let before = one.contacts(&stage).await.len();
    stage.send(&[stage.event("unfollow", &who, stage.moment(), "")]).await;
    assert_eq!((one.contacts(&stage).await.len(), two.state(&stage).await), (before, StaffLineState::Blocked));
}

#[tokio::test]
async fn who_is_staff_of_a_guest_stays_known_however_long_ago_he_came_and_who_was_once_does_not() {
    let stage = open("shared_forgotten").await;
    let (one, two) = (Guest::open(&stage).await, Guest::open(&stage).await);
    one.bind(&stage, &person(1)).await;
    two.bind(&stage, &person(2)).await;
    let unbind = UnbindStaffLineRequest { staff_id: one.staff.clone() };
    stage.house.at(one.tenant).staff().unbind_staff_line(unbind).await.unwrap();
    for table in ["staff_form_token", "staff_bind_attempt"] {
        let held = sqlx::AssertSqlSafe(format!("DELETE FROM identity.{table}"));
        sqlx::query(held).execute(&stage.house.admin().await).await.unwrap();
    }
    stage.alter("UPDATE identity.staff_line_user SET turn_time = now() - interval '91 days'").await;
    // Whoever starts looks at once.
    let _beside = stage.house.beside().await;
    Stage::until(|| async {
        match stage.count(&format!("identity.staff_line_user WHERE line_user_id = '{}'", person(1))).await {
            0 => Ok(()),
            _ => Err("he is known still".to_owned()),
        }
    })
    .await;
    let of_two = format!("WHERE line_user_id = '{}'", person(2));
    for table in ["staff_line_user", "staff_guest_binding"] {
        assert_eq!(stage.count(&format!("identity.{table}")).await, 1, "{table}");
        assert_eq!(stage.count(&format!("identity.{table} {of_two}")).await, 1, "{table}");
    }
    stage.send(&[stage.event("unfollow", &person(2), stage.moment(), "")]).await;
    assert_eq!(two.state(&stage).await, StaffLineState::Blocked, "what LINE tells of him is still heard");
}

#[tokio::test]
async fn a_tenant_that_leaves_or_is_left_without_its_share_has_nobody_bound_and_no_code_that_is_good() {
    let stage = open("shared_left").await;
    let (one, two) = (Guest::open(&stage).await, Guest::open(&stage).await);
    let who = person(1);
    two.bind(&stage, &who).await;
    for taken_back in [false, true] {
        one.bind(&stage, &who).await;
        let colleague = Guest::colleague(&stage, one.tenant).await;
        let token = card(&stage, &person(2)).await;
        let typed = types(&stage, &token, &colleague.invite(&stage).await).await.nonce();
        let code = Guest::colleague(&stage, one.tenant).await.invite(&stage).await;
        let caller = stage.house.at(one.tenant);
        let ended = if taken_back { end(&caller).await } else { leave(&caller).await };
        ended.unwrap();
        assert_eq!(one.state(&stage).await, StaffLineState::NotBound);
        let last = one.contacts(&stage).await.into_iter().rfind(|told| told.staff_id == one.staff).unwrap();
        assert_eq!((last.account_id.as_str(), last.line_user_id.as_str()), ("", ""));
        // Neither a code that was not typed yet, nor one that was and waited for LINE's word.
        assert!(types(&stage, &token, &code).await.dialog.is_none());
        stage.send(&[stage.confirmed(&person(2), stage.moment(), &typed)]).await;
        assert_eq!(colleague.state(&stage).await, StaffLineState::NotBound);
        assert_eq!(two.state(&stage).await, StaffLineState::Bound, "the other tenant goes on");
        if !taken_back {
            take_into_use(&caller).await.unwrap();
            assert!(types(&stage, &token, &code).await.dialog.is_none(), "an invitation of before stays ended");
        }
    }
}

#[tokio::test]
async fn whoever_confirms_while_the_tenant_leaves_is_not_bound_in_the_end() {
    let stage = open("shared_leaving").await;
    let guest = Guest::open(&stage).await;
    for turn in 1..=8 {
        let caller = stage.house.at(guest.tenant);
        take_into_use(&caller).await.unwrap();
        let who = person(turn);
        let nonce = types(&stage, &card(&stage, &who).await, &guest.invite(&stage).await).await.nonce();
        let word = [stage.confirmed(&who, stage.moment(), &nonce)];
        let (left, ()) = tokio::join!(leave(&caller), stage.send(&word));
        left.unwrap();
        assert_eq!(guest.state(&stage).await, StaffLineState::NotBound, "turn {turn}");
    }
}

#[tokio::test]
async fn a_word_of_line_killed_at_any_point_binds_once_in_both_tenants_rows_or_in_neither() {
    let mut stage = open("shared_killed").await;
    let guest = Guest::open(&stage).await;
    for (number, place) in (1..).zip([
        "identity.before_event",
        "identity.staff.bound",
        "bus.consumer.before_commit",
        "identity.after_commit",
    ]) {
        let who = person(number);
        let nonce = types(&stage, &card(&stage, &who).await, &guest.invite(&stage).await).await.nonce();
        let answers = stage.answers(&who).await.len();
        stage.house.stop().await;
        let mut killed = program(&stage.house, testkit::port::free(), &format!("{place}=kill@1"));
        let word = stage.confirmed(&who, stage.moment(), &nonce);
        stage.leave(&[word.clone(), word]).await;
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        let (bound, noted) = (
            stage.count(&format!("identity.staff_contact WHERE line_user_id = '{who}'")).await,
            stage.count(&format!("identity.staff_guest_binding WHERE line_user_id = '{who}'")).await,
        );
        assert_eq!(bound, noted, "{place}");
        stage.house.start().await;
        Stage::until(async || {
            let last = guest.contacts(&stage).await.pop();
            if last.as_ref().is_some_and(|last| last.line_user_id == who) { Ok(()) } else { Err(format!("{last:?}")) }
        })
        .await;
        stage.send(&[]).await;
        assert_eq!(stage.answers(&who).await.len(), answers + 1, "{place}: one answer to LINE's word");
        let versions: Vec<i64> = guest.contacts(&stage).await.iter().map(|one| one.version).collect();
        assert_eq!(versions, (1..=i64::from(number)).collect::<Vec<_>>(), "{place}");
    }
    every_event_is_published_once(&stage.house).await;
}
