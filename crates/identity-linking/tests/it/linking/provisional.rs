//! D-9: a provisional customer is absorbed by the record that a later attempt matches, and given back in one step.

use contracts::events::v1::Assurance;
use contracts::identity::v1::*;
use tonic::{Code, Status};

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};
use crate::activity::told;
use crate::refused::reason;

fn not_undoable() -> (Code, String) {
    (Code::FailedPrecondition, "MERGE_NOT_UNDOABLE".to_owned())
}

/// The one merge that a customer was absorbed by.
async fn merge_of(stage: &Stage, customer: &str) -> Merge {
    let request = ListMergesRequest { customer_id: customer.to_owned(), ..ListMergesRequest::default() };
    stage.at().merges().list_merges(request).await.unwrap().into_inner().merges.remove(0)
}

async fn undo(stage: &Stage, merge: &Merge) -> Result<Merge, Status> {
    let undo = UndoMergeRequest { merge_id: merge.merge_id.clone(), note: "別人".to_owned() };
    Ok(stage.at().merges().undo_merge(undo).await?.into_inner().merge.unwrap())
}

async fn listed(stage: &Stage) -> Vec<String> {
    let listed = stage.at().customers().list_customers(ListCustomersRequest::default()).await.unwrap().into_inner();
    let mut ids: Vec<String> = listed.customers.into_iter().map(|customer| customer.customer_id).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn the_right_number_after_a_wrong_one_absorbs_the_provisional_customer_and_that_can_be_undone() {
    let stage = Stage::open("provisional").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    let wrong = stage.link(&who, HANAKO, OTHER_MOBILE).await;
    assert_eq!(decision(&wrong), (LinkOutcome::CreatedNew, LinkReason::PhoneMismatch));
    let made = wrong.customer_id;
    assert!(made != customer && stage.record(&made).await.provisional);
    let signs: Vec<_> = stage.suspicions().await[0].signs().collect();
    assert_eq!(signs, [DuplicateSign::SameName]);

    let right = stage.link(&who, HANAKO, MOBILE).await;
    assert_eq!((decision(&right), &right.customer_id), ((LinkOutcome::Linked, LinkReason::None), &customer));
    assert_eq!(stage.linked(&who).await, [(customer.clone(), Assurance::NameAndMobile)]);
    assert_eq!(listed(&stage).await, std::slice::from_ref(&customer), "the absorbed one is listed no more");
    assert_eq!(stage.record(&made).await.merged_into, customer);
    let merge = merge_of(&stage, &made).await;
    assert_eq!((&merge.survivor_id, &merge.absorbed_id, merge.undo_time), (&customer, &made, None));
    assert_eq!(merge.link_attempt_id, right.link_attempt_id);
    assert_eq!(merge_of(&stage, &customer).await, merge, "it is found by either customer");

    let undone = undo(&stage, &merge).await.unwrap();
    assert!(undone.undo_time.is_some() && undone.note == "別人");
    assert_eq!(stage.linked(&who).await, [(made.clone(), Assurance::Proven)]);
    let mut both = [customer.clone(), made.clone()];
    both.sort();
    assert_eq!(listed(&stage).await, both);
    assert_eq!(reason(undo(&stage, &merge).await), not_undoable());
    let told: Vec<_> =
        stage.told_links().await.into_iter().map(|link| (link.customer_id, link.end_time.is_some())).collect();
    let (one, two) = (|ended| (made.clone(), ended), |ended| (customer.clone(), ended));
    assert_eq!(told, [one(false), one(true), two(false), two(true), one(false)]);
    stage.replay().await;
}

#[tokio::test]
async fn merges_that_followed_each_other_are_taken_back_latest_first_and_after_an_honest_unlinking() {
    let stage = Stage::open("provisional_chain").await;
    let who = person(1);
    let first = stage.link(&who, ("鈴木", "一郎"), OTHER_MOBILE).await.customer_id;
    // The second is provisional, too: another LINE user's first message made it, and he unlinked.
    let second = stage.link(&person(2), HANAKO, OTHER_MOBILE).await.customer_id;
    stage.send(&[stage.tapped(&person(2), stage.moment(), "unlink:yes")]).await;
    stage.link(&who, HANAKO, OTHER_MOBILE).await;
    let third = stage.customer(("佐藤", "二郎"), MOBILE).await;
    stage.link(&who, ("佐藤", "二郎"), MOBILE).await;
    assert_eq!(stage.linked(&who).await[0].0, third);
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    stage.link(&who, ("佐藤", "二郎"), MOBILE).await;
    let merge_of = async |absorbed: &str| {
        let list = ListMergesRequest { customer_id: absorbed.to_owned(), ..ListMergesRequest::default() };
        let merges = stage.at().merges().list_merges(list).await.unwrap().into_inner().merges;
        merges.into_iter().find(|merge| merge.absorbed_id == absorbed).unwrap().merge_id
    };
    let undo = async |absorbed: &str| {
        let undo = UndoMergeRequest { merge_id: merge_of(absorbed).await, note: "別人".to_owned() };
        stage.at().merges().undo_merge(undo).await
    };
    assert_eq!(reason(undo(&first).await), (Code::FailedPrecondition, "MERGE_NOT_UNDOABLE".to_owned()));
    for back in [&second, &first] {
        undo(back).await.unwrap();
        assert_eq!(&stage.linked(&who).await[0].0, back);
        assert_eq!(stage.record(back).await.merged_into, "");
    }
    stage.replay().await;
}

#[tokio::test]
async fn a_customer_that_staff_touched_is_absorbed_no_more() {
    let stage = Stage::open("provisional_touched").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    let made = stage.link(&who, HANAKO, OTHER_MOBILE).await.customer_id;
    let birthday = Customer { birth_date: "1990-04-01".to_owned(), ..stage.record(&made).await };
    let touch =
        UpdateCustomerRequest { customer: Some(Customer { etag: String::new(), ..birthday }), update_mask: None };
    stage.at().customers().update_customer(touch).await.unwrap();
    assert!(!stage.record(&made).await.provisional);
    let right = stage.link(&who, HANAKO, MOBILE).await;
    assert_eq!(decision(&right), (LinkOutcome::Refused, LinkReason::LineUserHasOtherCustomer));
    assert_eq!(stage.linked(&who).await, [(made, Assurance::Proven)]);
    assert!(!stage.standing(&customer).await.linked);
    stage.replay().await;
}

#[tokio::test]
async fn a_customer_whom_an_activity_touched_or_who_is_known_to_be_another_is_absorbed_no_more() {
    for touched_by in ["activity", "pair"] {
        let stage = Stage::open(&format!("provisional_{touched_by}")).await;
        let who = person(1);
        stage.customer(HANAKO, MOBILE).await;
        let made = stage.link(&who, HANAKO, OTHER_MOBILE).await.customer_id;
        assert!(stage.record(&made).await.provisional);
        if touched_by == "activity" {
            let visit = told(&made, ActivityKind::Visit, "V-1", 20_000);
            stage.at().customers().record_activity(visit).await.unwrap();
        } else {
            let duplicate_suspicion_id = stage.suspicions().await.remove(0).duplicate_suspicion_id;
            let dismiss = DismissDuplicateSuspicionRequest { duplicate_suspicion_id, note: "親子".to_owned() };
            stage.at().duplicates().dismiss_duplicate_suspicion(dismiss).await.unwrap();
        }
        assert!(!stage.record(&made).await.provisional, "{touched_by}");
        let right = stage.link(&who, HANAKO, MOBILE).await;
        assert_eq!(decision(&right), (LinkOutcome::Refused, LinkReason::LineUserHasOtherCustomer), "{touched_by}");
        assert_eq!(stage.linked(&who).await, [(made, Assurance::Proven)]);
    }
}

#[tokio::test]
async fn a_merge_whose_link_ended_is_undone_without_bringing_a_link_back_and_not_while_another_stands() {
    let stage = Stage::open("provisional_ended").await;
    let who = person(1);
    let customer = stage.customer(HANAKO, MOBILE).await;
    let made = stage.link(&who, HANAKO, OTHER_MOBILE).await.customer_id;
    assert_eq!(stage.link(&who, HANAKO, MOBILE).await.customer_id, customer);
    let merge = merge_of(&stage, &made).await;
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    stage.customer(("佐藤", "二郎"), MOBILE).await;
    stage.link(&who, ("佐藤", "二郎"), MOBILE).await;
    assert_eq!(reason(undo(&stage, &merge).await), not_undoable(), "the LINE user is somebody else's by now");
    assert_eq!(stage.record(&made).await.merged_into, customer);
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    assert!(undo(&stage, &merge).await.unwrap().undo_time.is_some());
    let back = stage.record(&made).await;
    assert_eq!((&*back.merged_into, back.line.unwrap().linked), ("", false));
    assert!(stage.linked(&who).await.is_empty() && stage.active().await == 0);
    assert_eq!(stage.links_of(&who).await.len(), 3, "no link was begun");
    let listed = listed(&stage).await;
    assert!(listed.contains(&customer) && listed.contains(&made));
    assert_eq!(reason(undo(&stage, &merge).await), not_undoable());
    stage.replay().await;
}

#[tokio::test]
async fn a_provisional_customer_is_not_absorbed_while_a_line_user_of_another_provider_is_linked_to_it() {
    let mut stage = Stage::open("provisional_providers").await;
    let (one, two) = (person(1), person(2));
    let customer = stage.customer(HANAKO, MOBILE).await;
    let made = stage.link(&one, HANAKO, OTHER_MOBILE).await.customer_id;
    let first = stage.account;
    let (_, second) = stage.house.account(stage.tenant, &crate::friend::user(201)).await;
    stage.account = second;
    assert_eq!(stage.link(&two, HANAKO, OTHER_MOBILE).await.customer_id, made);
    assert_eq!(stage.standing(&made).await.links.len(), 2);
    stage.account = first;
    let refused = stage.link(&one, HANAKO, MOBILE).await;
    assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::LineUserHasOtherCustomer));
    assert_eq!((&*stage.record(&made).await.merged_into, stage.active().await), ("", 2));
    stage.account = second;
    stage.send(&[stage.tapped(&two, stage.moment(), "unlink:yes")]).await;
    stage.account = first;
    let absorbed = stage.link(&one, HANAKO, MOBILE).await;
    assert_eq!((decision(&absorbed), &absorbed.customer_id), ((LinkOutcome::Linked, LinkReason::None), &customer));
    assert_eq!(stage.record(&made).await.merged_into, customer);
    stage.replay().await;
}
