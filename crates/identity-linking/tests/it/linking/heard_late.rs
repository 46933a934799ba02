//! A person ends a link, and LINE's event comes only after staff acted on it: by LINE's clock the person said so before (L-15).

use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;

use super::review::{reconsider, resolve};
use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

/// When the person confirmed, and when he unlinked, by LINE's clock; staff act now.
const CONFIRMED: i64 = 60_000;
const UNLINKED: i64 = 30_000;

/// Asks by the link form, and confirms a minute ago.
async fn linked(stage: &Stage, who: &str, mobile: &str) -> LinkAttempt {
    let nonce = stage.ask(who, HANAKO, mobile).await;
    stage.send(&[stage.confirmed(who, stage.moment() - CONFIRMED, &nonce)]).await;
    stage.attempt_of(who).await
}

/// The unlinking is heard of; nobody is linked to the person then, as he is told.
async fn unlinks(stage: &Stage, who: &str) {
    stage.send(&[stage.tapped(who, stage.moment() - UNLINKED, "unlink:yes")]).await;
    assert_eq!(stage.linked(who).await, []);
    assert!(stage.answers(who).await.pop().unwrap().line_objects[0].contains("連携は解除されています"));
}

async fn approve(stage: &Stage, asked: &LinkAttempt) {
    let approve = ApproveTakeoverRequestRequest {
        takeover_request_id: asked.takeover_request_id.clone(),
        note: "店頭で確認".to_owned(),
        etag: String::new(),
    };
    stage.at().takeovers().approve_takeover_request(approve).await.unwrap();
}

#[tokio::test]
async fn an_unlinking_that_comes_after_a_merge_was_undone_ends_the_link_that_was_given_back() {
    let stage = Stage::open("late_undo").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    let made = linked(&stage, &who, OTHER_MOBILE).await.customer_id;
    linked(&stage, &who, MOBILE).await;
    let list = ListMergesRequest { customer_id: made.clone(), ..ListMergesRequest::default() };
    let merge = stage.at().merges().list_merges(list).await.unwrap().into_inner().merges.remove(0);
    let undo = UndoMergeRequest { merge_id: merge.merge_id, note: "別人".to_owned() };
    stage.at().merges().undo_merge(undo).await.unwrap();
    assert_eq!(stage.linked(&who).await.remove(0).0, made);
    unlinks(&stage, &who).await;
}

#[tokio::test]
async fn an_unlinking_that_comes_after_staff_settled_an_attempt_ends_what_they_began() {
    for way in ["new", "known", "again"] {
        let stage = Stage::open(&format!("late_{way}")).await;
        stage.hold().await;
        let who = person(1);
        let held = linked(&stage, &who, MOBILE).await;
        assert_eq!(decision(&held), (LinkOutcome::Held, LinkReason::PolicyHold));
        let settled = match way {
            "new" => resolve(&stage, &held, Resolution::CreateCustomer(true)).await.unwrap(),
            "known" => {
                let customer = stage.customer(HANAKO, OTHER_MOBILE).await;
                resolve(&stage, &held, Resolution::CustomerId(customer)).await.unwrap()
            }
            _ => {
                stage.customer(HANAKO, MOBILE).await;
                reconsider(&stage, &held, "").await.unwrap()
            }
        };
        assert_eq!(stage.linked(&who).await.remove(0).0, settled.customer_id, "{way}");
        unlinks(&stage, &who).await;
    }
}

#[tokio::test]
async fn an_unlinking_that_comes_after_staff_approved_a_take_over_ends_it() {
    let stage = Stage::open("late_takeover").await;
    stage.customer(HANAKO, MOBILE).await;
    linked(&stage, &person(1), MOBILE).await;
    let asked = linked(&stage, &person(2), MOBILE).await;
    approve(&stage, &asked).await;
    assert_eq!(stage.linked(&person(2)).await.len(), 1);
    unlinks(&stage, &person(2)).await;
}

#[tokio::test]
async fn an_unlinking_that_comes_after_a_take_over_which_staff_had_decided_anew_ends_it() {
    let stage = Stage::open("late_again").await;
    stage.hold().await;
    let held = linked(&stage, &person(2), MOBILE).await;
    stage.customer(HANAKO, MOBILE).await;
    linked(&stage, &person(1), MOBILE).await;
    let asked = reconsider(&stage, &held, "").await.unwrap();
    assert_eq!(decision(&asked), (LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser));
    approve(&stage, &asked).await;
    assert_eq!(stage.linked(&person(2)).await.len(), 1);
    unlinks(&stage, &person(2)).await;
}

#[tokio::test]
async fn an_unlinking_from_before_the_link_ends_nothing_and_nobody_is_told_that_it_did() {
    let stage = Stage::open("late_earlier").await;
    let who = person(1);
    stage.customer(HANAKO, MOBILE).await;
    stage.link(&who, HANAKO, MOBILE).await;
    let told = stage.answers(&who).await;
    stage.send(&[stage.tapped(&who, stage.moment() - UNLINKED, "unlink:yes")]).await;
    assert_eq!((stage.active().await, stage.answers(&who).await), (1, told));
}
