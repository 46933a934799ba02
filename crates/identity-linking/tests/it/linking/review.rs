//! The review queue: what is held waits for staff, who put the record right or say who it is.

use contracts::events::v1::Assurance;
use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::{Code, Status};

use super::stage::{HANAKO, MOBILE, OTHER_MOBILE, Stage, decision, person};
use crate::refused::{fields, reason};

const HELD: (LinkOutcome, LinkReason) = (LinkOutcome::Held, LinkReason::PolicyHold);

async fn queue(stage: &Stage) -> Vec<String> {
    let request = ListLinkAttemptsRequest { review_queue: true, ..ListLinkAttemptsRequest::default() };
    let listed = stage.at().attempts().list_link_attempts(request).await.unwrap().into_inner().link_attempts;
    listed.into_iter().map(|attempt| attempt.link_attempt_id).collect()
}

pub(super) async fn reconsider(stage: &Stage, attempt: &LinkAttempt, etag: &str) -> Result<LinkAttempt, Status> {
    let (link_attempt_id, etag) = (attempt.link_attempt_id.clone(), etag.to_owned());
    let request = ReconsiderLinkAttemptRequest { link_attempt_id, etag };
    Ok(stage.at().attempts().reconsider_link_attempt(request).await?.into_inner().link_attempt.unwrap())
}

pub(super) async fn resolve(
    stage: &Stage,
    attempt: &LinkAttempt,
    resolution: Resolution,
) -> Result<LinkAttempt, Status> {
    let request = ResolveLinkAttemptRequest {
        link_attempt_id: attempt.link_attempt_id.clone(),
        resolution: Some(resolution),
        note: "電話で確認".to_owned(),
        etag: String::new(),
    };
    Ok(stage.at().attempts().resolve_link_attempt(request).await?.into_inner().link_attempt.unwrap())
}

fn precondition(reason: &str) -> (Code, String) {
    (Code::FailedPrecondition, reason.to_owned())
}

#[tokio::test]
async fn what_is_held_links_when_staff_put_the_record_right() {
    let stage = Stage::open("review").await;
    stage.hold().await;
    let customer = stage.customer(("山口", "花子"), MOBILE).await;
    let attempt = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&attempt), HELD);
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (0, 1));
    assert_eq!(queue(&stage).await, std::slice::from_ref(&attempt.link_attempt_id));
    let still = reconsider(&stage, &attempt, &attempt.etag).await.unwrap();
    assert_eq!(decision(&still), HELD);
    assert_eq!(
        reason(reconsider(&stage, &attempt, &attempt.etag).await),
        (Code::Aborted, "ETAG_MISMATCH".to_owned()),
        "it was decided anew since"
    );
    let mended = Customer {
        customer_id: customer.clone(),
        name: Some(PersonName { family: "山田".to_owned(), ..PersonName::default() }),
        ..Customer::default()
    };
    let update_mask = Some(FieldMask { paths: vec!["name.family".to_owned()] });
    let mend = UpdateCustomerRequest { customer: Some(mended), update_mask };
    stage.at().customers().update_customer(mend).await.unwrap();
    let linked = reconsider(&stage, &still, &still.etag).await.unwrap();
    assert_eq!((decision(&linked), &linked.customer_id), ((LinkOutcome::Linked, LinkReason::None), &customer));
    assert_eq!(stage.linked(&person(1)).await, [(customer, Assurance::NameAndMobile)]);
    assert!(queue(&stage).await.is_empty());
    assert_eq!(reason(reconsider(&stage, &linked, "").await), precondition("ATTEMPT_NOT_HELD"));
    stage.replay().await;
}

#[tokio::test]
async fn staff_say_that_it_is_a_customer_a_new_one_or_nobody() {
    let stage = Stage::open("review_resolve").await;
    stage.hold().await;
    let customer = stage.customer(HANAKO, OTHER_MOBILE).await;
    let ask = async |who| stage.link(&person(who), HANAKO, MOBILE).await;
    let (one, two, three) = (ask(1).await, ask(2).await, ask(3).await);
    let settled = resolve(&stage, &one, Resolution::CustomerId(customer.clone())).await.unwrap();
    assert_eq!((decision(&settled), &settled.customer_id), ((LinkOutcome::Linked, LinkReason::None), &customer));
    assert_eq!(settled.review.unwrap().note, "電話で確認");
    let link = stage.links_of(&person(1)).await.remove(0);
    assert_eq!((link.origin(), link.assurance(), &*link.note), (LinkOrigin::Staff, Assurance::Proven, "電話で確認"));

    let settled = resolve(&stage, &two, Resolution::CreateCustomer(true)).await.unwrap();
    assert_eq!(settled.outcome(), LinkOutcome::CreatedNew);
    let made = stage.record(&settled.customer_id).await;
    assert!(!made.provisional && made.line.unwrap().linked, "staff said so");
    assert_eq!(made.phones[0].number, "+819012345678");

    let settled = resolve(&stage, &three, Resolution::Dismiss(true)).await.unwrap();
    assert_eq!((settled.outcome(), &*settled.customer_id), (LinkOutcome::Refused, ""));
    assert!(stage.linked(&person(3)).await.is_empty() && queue(&stage).await.is_empty());
    for attempt in [one, two, three] {
        let again = resolve(&stage, &attempt, Resolution::Dismiss(true)).await;
        assert_eq!(reason(again), precondition("ATTEMPT_NOT_HELD"));
    }
    let of_customer = ListLinkAttemptsRequest { customer_id: made.customer_id, ..ListLinkAttemptsRequest::default() };
    let listed = stage.at().attempts().list_link_attempts(of_customer).await.unwrap().into_inner().link_attempts;
    assert_eq!(listed.len(), 1, "a customer's attempts are those it was linked by, too");
}

#[tokio::test]
async fn whom_staff_choose_is_provisional_no_more() {
    let stage = Stage::open("review_provisional").await;
    let made = stage.link(&person(1), HANAKO, MOBILE).await.customer_id;
    stage.send(&[stage.tapped(&person(1), stage.moment(), "unlink:yes")]).await;
    assert!(stage.record(&made).await.provisional);
    stage.hold().await;
    let held = stage.link(&person(2), ("山口", "花子"), MOBILE).await;
    assert_eq!(decision(&held), HELD);
    resolve(&stage, &held, Resolution::CustomerId(made.clone())).await.unwrap();
    assert_eq!(stage.linked(&person(2)).await, [(made.clone(), Assurance::Proven)]);
    assert!(!stage.record(&made).await.provisional);
}

#[tokio::test]
async fn staff_cannot_settle_against_links_that_stand() {
    let stage = Stage::open("review_refused").await;
    let (taken, free) = (stage.customer(HANAKO, MOBILE).await, stage.customer(("鈴木", "一郎"), MOBILE).await);
    stage.link(&person(1), HANAKO, MOBILE).await;
    stage.hold().await;
    let held = stage.link(&person(2), ("佐藤", "二郎"), OTHER_MOBILE).await;
    let to = |customer: &str| Resolution::CustomerId(customer.to_owned());
    assert_eq!(reason(resolve(&stage, &held, to(&taken)).await), precondition("CUSTOMER_HAS_OTHER_LINE_USER"));
    let nobody = uuid::Uuid::new_v4().to_string();
    assert_eq!(reason(resolve(&stage, &held, to(&nobody)).await), (Code::NotFound, "NOT_FOUND".to_owned()));
    stage.alter("UPDATE identity.customer SET merged_into = customer_id WHERE family_name = '鈴木'").await;
    assert_eq!(reason(resolve(&stage, &held, to(&free)).await), precondition("CUSTOMER_ABSORBED"));
    stage.alter("UPDATE identity.customer SET merged_into = NULL WHERE family_name = '鈴木'").await;
    stage.policy(LinkPolicy { on_no_match: OnNoMatch::Create.into(), ..LinkPolicy::default() }).await;
    let own = stage.link(&person(2), ("田中", "五郎"), OTHER_MOBILE).await.customer_id;
    let birthday = Customer { birth_date: "1990-04-01".to_owned(), etag: String::new(), ..stage.record(&own).await };
    let touch = UpdateCustomerRequest { customer: Some(birthday), update_mask: None };
    stage.at().customers().update_customer(touch).await.unwrap();
    let third = stage.customer(("高橋", "三郎"), MOBILE).await;
    for resolution in [to(&third), Resolution::CreateCustomer(true)] {
        assert_eq!(reason(resolve(&stage, &held, resolution).await), precondition("LINE_USER_HAS_OTHER_CUSTOMER"));
    }
    let empty = ResolveLinkAttemptRequest::default();
    let refused = stage.at().attempts().resolve_link_attempt(empty).await;
    assert_eq!(fields(refused), ["link_attempt_id", "note", "resolution"]);
    assert_eq!((stage.active().await, queue(&stage).await.len()), (2, 1), "it still waits");
    stage.replay().await;
}

#[tokio::test]
async fn what_is_held_leaves_the_queue_when_its_user_is_linked_otherwise() {
    let stage = Stage::open("review_moot").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.customer(HANAKO, OTHER_MOBILE).await;
    let nonce = stage.inquire(&person(1), HANAKO).await;
    let held = stage.confirm(&person(1), &nonce).await;
    assert_eq!(decision(&held), (LinkOutcome::Held, LinkReason::AmbiguousName));
    let nonce = stage.inquire(&person(2), HANAKO).await;
    let waits = stage.confirm(&person(2), &nonce).await;
    stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(queue(&stage).await, [waits.link_attempt_id]);
    let get = GetLinkAttemptRequest { link_attempt_id: held.link_attempt_id };
    let settled = stage.at().attempts().get_link_attempt(get).await.unwrap().into_inner().link_attempt.unwrap();
    assert_eq!(
        (decision(&settled), &*settled.review.unwrap().note),
        ((LinkOutcome::Held, LinkReason::AmbiguousName), "")
    );
    assert_eq!(stage.linked(&person(1)).await, [(customer, Assurance::NameAndMobile)]);
}

#[tokio::test]
async fn whom_staff_say_it_is_makes_a_link_there_is_certain() {
    let stage = Stage::open("review_sure").await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.hold().await;
    let held = stage.link(&person(1), ("山口", "花子"), OTHER_MOBILE).await;
    assert_eq!(decision(&held), HELD);
    super::linked(&stage.house, stage.tenant, &customer).await;
    assert_eq!(stage.linked(&person(1)).await, [(customer.clone(), Assurance::Name)]);
    resolve(&stage, &held, Resolution::CustomerId(customer.clone())).await.unwrap();
    assert_eq!(stage.linked(&person(1)).await, [(customer, Assurance::Proven)]);
}

#[tokio::test]
async fn who_unlinked_after_trying_is_linked_by_no_review_and_by_a_new_attempt() {
    let stage = Stage::open("review_withdrawn").await;
    stage.hold().await;
    let who = person(1);
    let customer = stage.customer(HANAKO, OTHER_MOBILE).await;
    let held = stage.link(&who, HANAKO, MOBILE).await;
    // Whoever blocks the account takes nothing back.
    stage.send(&[stage.event("unfollow", &who, stage.moment(), "")]).await;
    assert_eq!(decision(&reconsider(&stage, &held, "").await.unwrap()), HELD);
    stage.send(&[stage.tapped(&who, stage.moment(), "unlink:yes")]).await;
    let withdrawn = precondition("LINE_USER_UNLINKED");
    assert_eq!(reason(reconsider(&stage, &held, "").await), withdrawn);
    let to_customer = Resolution::CustomerId(customer.clone());
    for resolution in [to_customer.clone(), Resolution::CreateCustomer(true)] {
        assert_eq!(reason(resolve(&stage, &held, resolution).await), withdrawn);
    }
    assert_eq!((stage.active().await, stage.count("identity.customer").await), (0, 1), "nothing was begun");
    assert_eq!(queue(&stage).await, std::slice::from_ref(&held.link_attempt_id));
    resolve(&stage, &held, Resolution::Dismiss(true)).await.unwrap();
    let anew = stage.link(&who, HANAKO, MOBILE).await;
    assert_eq!(resolve(&stage, &anew, to_customer).await.unwrap().customer_id, customer);
    assert_eq!(stage.linked(&who).await, [(customer, Assurance::Proven)]);
}

#[tokio::test]
async fn while_an_account_is_paused_nothing_is_decided_and_what_was_held_waits() {
    let stage = Stage::open("review_paused").await;
    stage.hold().await;
    let held = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(decision(&held), HELD);
    let late = stage.ask(&person(2), ("鈴木", "一郎"), MOBILE).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.customer(("鈴木", "一郎"), MOBILE).await;
    let account_id = stage.account.to_string();
    let pause = PauseOfficialAccountRequest { account_id: account_id.clone() };
    stage.at().accounts().pause_official_account(pause).await.unwrap();
    assert_eq!(reason(reconsider(&stage, &held, "").await), precondition("ACCOUNT_NOT_CONNECTED"));
    let refused = stage.confirm(&person(2), &late).await;
    assert_eq!(decision(&refused), (LinkOutcome::Refused, LinkReason::AccountNotConnected));
    assert_eq!((stage.active().await, queue(&stage).await), (0, vec![held.link_attempt_id.clone()]));
    let connect = ConnectOfficialAccountRequest { account_id, webhook_endpoint: String::new() };
    stage.at().accounts().connect_official_account(connect).await.unwrap();
    let linked = reconsider(&stage, &held, "").await.unwrap();
    assert_eq!((decision(&linked), linked.customer_id), ((LinkOutcome::Linked, LinkReason::None), customer));
    stage.replay().await;
}
