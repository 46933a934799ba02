//! What somebody who knows has said of a LINE user and a customer is undone by no form: only staff join the two again.

use contracts::events::v1::Assurance;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, nonce_in, person};
use super::submit::booking;

const HELD: (LinkOutcome, LinkReason) = (LinkOutcome::Held, LinkReason::PolicyHold);

async fn resolve(stage: &Stage, attempt: &LinkAttempt, customer: &str) -> LinkAttempt {
    let request = ResolveLinkAttemptRequest {
        link_attempt_id: attempt.link_attempt_id.clone(),
        resolution: Some(Resolution::CustomerId(customer.to_owned())),
        note: "電話で確認".to_owned(),
        etag: String::new(),
    };
    let resolved = stage.at().attempts().resolve_link_attempt(request).await.unwrap().into_inner();
    resolved.link_attempt.unwrap()
}

async fn unlinked_by_staff(stage: &Stage, who: u32) {
    let link = stage.links_of(&person(who)).await.remove(0);
    let end = EndLinkRequest { link_id: link.link_id, note: "別人".to_owned(), etag: String::new() };
    stage.at().links().end_link(end).await.unwrap();
}

#[tokio::test]
async fn whom_staff_unlinked_no_form_links_again() {
    let stage = Stage::open("apart_staff").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    unlinked_by_staff(&stage, 1).await;
    let again = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&again), HELD);
    assert!(again.candidates[0].told_apart);
    let said = again.explanation.clone().unwrap();
    assert!(said.ja.contains("別人") && said.en.contains("told apart"), "{said:?}");
    let inquiry = stage.inquire(&person(1), HANAKO).await;
    assert_eq!(decision(&stage.confirm(&person(1), &inquiry).await), HELD);
    assert_eq!(stage.active().await, 0);
    // Whoever really is the customer is linked as ever.
    assert_eq!(decision(&stage.link(&person(2), HANAKO, MOBILE).await), (LinkOutcome::Linked, LinkReason::None));
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    // Staff alone join the two again; then the person may unlink and link as anybody.
    resolve(&stage, &again, &customer).await;
    assert_eq!(stage.linked(&person(1)).await, [(customer.clone(), Assurance::Proven)]);
    stage.send(&[stage.tapped(&person(1), stage.moment(), "unlink:yes")]).await;
    let free = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!((decision(&free), free.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
    stage.replay().await;
}

#[tokio::test]
async fn a_take_over_that_was_declined_is_asked_for_once() {
    let stage = Stage::open("apart_declined").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let asked = stage.link(&person(2), HANAKO, MOBILE).await.takeover_request_id;
    stage.send(&[stage.tapped(&person(1), stage.moment(), &format!("takeover:{asked}:no"))]).await;
    let told = stage.answers(&person(1)).await;
    let again = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(decision(&again), (LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser));
    assert_eq!((&*again.takeover_request_id, stage.count("identity.takeover_request").await), ("", 1));
    assert_eq!(stage.answers(&person(1)).await, told, "nobody is asked until he gives in");
    // Once the customer is free, staff say who it is.
    unlinked_by_staff(&stage, 1).await;
    let held = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(decision(&held), HELD);
    resolve(&stage, &held, &customer).await;
    assert_eq!(stage.linked(&person(2)).await, [(customer, Assurance::Proven)]);
    stage.replay().await;
}

#[tokio::test]
async fn a_merge_that_staff_took_back_is_not_made_again() {
    let stage = Stage::open("apart_merge").await;
    stage.customer(HANAKO, MOBILE).await;
    let made = stage.link(&person(1), HANAKO, OTHER_MOBILE).await.customer_id;
    stage.link(&person(1), HANAKO, MOBILE).await;
    let list = ListMergesRequest { customer_id: made.clone(), ..ListMergesRequest::default() };
    let merge = stage.at().merges().list_merges(list).await.unwrap().into_inner().merges.remove(0);
    let undo = UndoMergeRequest { merge_id: merge.merge_id, note: "別人".to_owned() };
    stage.at().merges().undo_merge(undo).await.unwrap();
    assert!(!stage.record(&made).await.provisional);
    let again = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&again), (LinkOutcome::Refused, LinkReason::LineUserHasOtherCustomer));
    assert_eq!(stage.linked(&person(1)).await, [(made, Assurance::Proven)]);
    // Nor where he ends his own link first.
    stage.send(&[stage.tapped(&person(1), stage.moment(), "unlink:yes")]).await;
    let free = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&free), HELD);
    assert!(free.candidates[0].told_apart);
    stage.replay().await;
}

#[tokio::test]
async fn whom_staff_unlinked_from_his_own_record_no_booking_that_comes_again_links() {
    let stage = Stage::open("apart_own").await;
    let who = person(1);
    let token = stage.friends_with(&who).await;
    let submitted = stage.submit(booking(&token, HANAKO, MOBILE, "B-1")).await.unwrap();
    let own = submitted.activity.unwrap().customer_id;
    let made = stage.confirm(&who, &nonce_in(&submitted.redirect_uri)).await;
    assert_eq!((made.outcome(), &made.customer_id), (LinkOutcome::CreatedNew, &own));
    unlinked_by_staff(&stage, 1).await;
    let again = booking(&stage.token(&who).await, HANAKO, MOBILE, "B-1");
    let dialog = stage.submit(again).await.unwrap().redirect_uri;
    assert_eq!(decision(&stage.confirm(&who, &nonce_in(&dialog)).await), HELD);
    assert_eq!(stage.active().await, 0);
    stage.replay().await;
}

#[tokio::test]
async fn a_merge_that_is_undone_after_he_left_and_came_back_tells_the_two_apart() {
    let stage = Stage::open("apart_back").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    let made = stage.link(&who, HANAKO, OTHER_MOBILE).await.customer_id;
    stage.link(&who, HANAKO, MOBILE).await;
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    assert_eq!(stage.link(&who, HANAKO, MOBILE).await.customer_id, customer);
    let list = ListMergesRequest { customer_id: made.clone(), ..ListMergesRequest::default() };
    let merge = stage.at().merges().list_merges(list).await.unwrap().into_inner().merges.remove(0);
    let undo = UndoMergeRequest { merge_id: merge.merge_id, note: "別人".to_owned() };
    stage.at().merges().undo_merge(undo).await.unwrap();
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    assert_eq!(decision(&stage.link(&who, HANAKO, MOBILE).await), HELD);
    assert_eq!(stage.active().await, 0);
}
