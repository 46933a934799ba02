//! Nothing is guessed: several on the whole key, or one that is nearly on it, link nothing (D-5, F-12 to F-17).

use contracts::identity::v1::*;

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};

#[tokio::test]
async fn two_customers_of_one_name_are_held_and_a_name_alone_makes_no_suspicion() {
    let stage = Stage::open("guess_name").await;
    stage.customer(HANAKO, MOBILE).await;
    stage.customer(HANAKO, OTHER_MOBILE).await;
    let nonce = stage.inquire(&person(1), HANAKO).await;
    let attempt = stage.confirm(&person(1), &nonce).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Held, LinkReason::AmbiguousName));
    assert_eq!((attempt.candidates.len(), &*attempt.customer_id), (2, ""));
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (0, 2));
    assert_eq!(stage.suspicions().await, []);
    stage.replay().await;
}

#[tokio::test]
async fn two_customers_of_one_name_and_number_are_held_and_suspected() {
    let stage = Stage::open("guess_both").await;
    let mut two = [stage.customer(HANAKO, MOBILE).await, stage.customer(HANAKO, MOBILE).await];
    let attempt = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&attempt), (LinkOutcome::Held, LinkReason::AmbiguousNameAndMobile));
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (0, 2));
    two.sort();
    let found = stage.suspicions().await.remove(0);
    assert_eq!([found.customer_id.clone(), found.other_customer_id.clone()], two);
    let signs: Vec<_> = found.signs().collect();
    assert_eq!(signs, [DuplicateSign::SameName, DuplicateSign::SameMobile]);
    assert_eq!(found.link_attempt_id, attempt.link_attempt_id);

    let id = found.duplicate_suspicion_id;
    let dismiss = DismissDuplicateSuspicionRequest { duplicate_suspicion_id: id, note: "親子".to_owned() };
    let dismissed = stage.at().duplicates().dismiss_duplicate_suspicion(dismiss).await.unwrap().into_inner();
    assert!(dismissed.duplicate_suspicion.unwrap().dismiss_time.is_some());
    stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(stage.suspicions().await, [], "what staff dismissed does not come again");
    stage.replay().await;
}

#[tokio::test]
async fn a_variant_of_the_name_links_nothing_and_is_suspected() {
    let stage = Stage::open("guess_variant").await;
    let customer = stage.customer(("髙橋", "花子"), MOBILE).await;
    let attempt = stage.link(&person(1), ("高橋", "花子"), MOBILE).await;
    assert_eq!(decision(&attempt), (LinkOutcome::CreatedNew, LinkReason::NameMismatch));
    assert_ne!(attempt.customer_id, customer);
    assert!(!stage.standing(&customer).await.linked);
    let signs: Vec<_> = stage.suspicions().await[0].signs().collect();
    assert_eq!(signs, [DuplicateSign::VariantName, DuplicateSign::SameMobile]);
    let inquiry = stage.inquire(&person(2), ("高橋", "花子")).await;
    // The new record bears that name by now, and it alone does.
    let inquiry = stage.confirm(&person(2), &inquiry).await;
    assert_eq!(decision(&inquiry), (LinkOutcome::Refused, LinkReason::CustomerHasOtherLineUser));
    stage.replay().await;
}

#[tokio::test]
async fn the_number_of_another_name_links_nothing() {
    let stage = Stage::open("guess_number").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    let attempt = stage.link(&person(1), ("鈴木", "一郎"), MOBILE).await;
    assert_eq!(decision(&attempt), (LinkOutcome::CreatedNew, LinkReason::NameMismatch));
    assert!(!stage.standing(&customer).await.linked);
    let signs: Vec<_> = stage.suspicions().await[0].signs().collect();
    assert_eq!(signs, [DuplicateSign::SameMobile]);
    stage.replay().await;
}
