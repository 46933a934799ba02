//! The program killed (SIGKILL) while somebody is bound: it happens once, or can be done again.

use std::os::unix::process::ExitStatusExt as _;

use contracts::identity::v1::*;

use super::scene::{card, contacts, invite, member, open, read};
use crate::house::SOON;
use crate::killing::{every_event_is_published_once, program};
use crate::linking::stage::{Stage, person};

/// Where the program dies while LINE's word is taken, and at which pass.
const CONFIRMING: [(&str, u32); 5] = [
    ("identity.staff.bound", 1),
    ("identity.before_event", 1),
    ("identity.after_event", 2),
    ("identity.after_commit", 1),
    ("bus.consumer.before_commit", 1),
];

#[tokio::test]
async fn a_word_of_line_killed_at_any_point_binds_once() {
    let mut stage = open("killed_binding").await;
    for (number, (place, pass)) in (1..).zip(CONFIRMING) {
        let (staff, who) = (member(&stage, "佐藤").await.staff_id, person(number));
        let code = invite(&stage, &staff).await;
        let nonce = stage.look(&card(&stage, &who).await).await.submit(&[("code", &code)]).await.nonce();
        let answers = stage.answers(&who).await.len();
        stage.house.stop().await;
        let mut killed = program(&stage.house, testkit::port::free(), &format!("{place}=kill@{pass}"));
        let word = stage.confirmed(&who, stage.moment(), &nonce);
        stage.leave(&[word.clone(), word]).await;
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        stage.house.start().await;
        Stage::until(async || {
            let member = read(&stage, &staff).await;
            if member.line_state() == StaffLineState::Bound { Ok(()) } else { Err(format!("{member:?}")) }
        })
        .await;
        stage.send(&[]).await;
        let told = contacts(&stage, &staff).await;
        assert_eq!(told.iter().map(|one| one.version).collect::<Vec<_>>(), [1], "{place}");
        assert_eq!(stage.answers(&who).await.len(), answers + 1, "{place}: one answer to LINE's word");
    }
    let audit = stage.house.audit(stage.tenant).await;
    assert_eq!(audit.iter().filter(|noted| *noted == "staff.bind_line").count(), CONFIRMING.len());
    every_event_is_published_once(&stage.house).await;
}

#[tokio::test]
async fn a_code_whose_submission_is_killed_is_good_once_more() {
    let mut stage = open("killed_code").await;
    let (staff, who) = (member(&stage, "佐藤").await.staff_id, person(1));
    let (code, token) = (invite(&stage, &staff).await, card(&stage, &who).await);
    for place in ["identity.staff.placed", "identity.link.before_line", "identity.link.after_line"] {
        let form = stage.look(&token).await;
        stage.house.stop().await;
        let mut killed = program(&stage.house, testkit::port::free(), &format!("{place}=kill@1"));
        let alive = stage.house.pages_url();
        Stage::until(async || reqwest::get(alive.clone()).await.map(drop).map_err(|error| error.to_string())).await;
        assert!(form.try_submit(&[("code", &code)]).await.is_err(), "{place}: nobody answers");
        assert_eq!(killed.exit(SOON).await.unwrap().signal(), Some(9), "{place}: {:?}", killed.lines());
        stage.house.start().await;
        assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::NotBound, "{place}");
    }
    let nonce = stage.look(&token).await.submit(&[("code", &code)]).await.nonce();
    stage.send(&[stage.confirmed(&who, stage.moment(), &nonce)]).await;
    assert_eq!(read(&stage, &staff).await.line_state(), StaffLineState::Bound);
}
