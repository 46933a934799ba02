//! By every method: what somebody may not see is not there, and is not changed.

use contracts::identity::v1::resolve_link_attempt_request::Resolution;
use contracts::identity::v1::*;
use tonic::Code;

use super::company::{Company, by};
use crate::activity::told;
use crate::linking::stage::{HANAKO, MOBILE, OTHER_MOBILE, person};
use crate::refused::reason;

/// What there is to be found, all of it of one branch.
struct Kept {
    customer: String,
    friend: String,
    activity: String,
    link: String,
    attempt: String,
    held: String,
    takeover: String,
    suspicion: String,
    merge: String,
}

async fn keep(company: &Company) -> Kept {
    let stage = &company.stage;
    stage.put_default(&company.shibuya).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.give(&customer, &company.shibuya).await;
    let ichiro = ("鈴木", "一郎");
    let other = stage.customer(ichiro, OTHER_MOBILE).await;
    stage.give(&other, &company.shibuya).await;
    let attempt = stage.link(&person(1), HANAKO, MOBILE).await.link_attempt_id;
    let takeover = stage.link(&person(2), HANAKO, MOBILE).await.takeover_request_id;
    // A wrong number makes a customer who looks like one on record; the right one has that one absorb it.
    stage.link(&person(3), ichiro, "070-1111-2222").await;
    stage.link(&person(3), ichiro, OTHER_MOBILE).await;
    stage.link(&person(5), HANAKO, "070-3333-4444").await;
    stage.hold().await;
    let held = stage.link(&person(4), ("高橋", "二郎"), MOBILE).await.link_attempt_id;
    let recorded = told(&customer, ActivityKind::Reservation, "R-1", 20_000);
    let activity = stage.at().customers().record_activity(recorded).await.unwrap().into_inner().activity.unwrap();
    let merged = stage.at().merges().list_merges(ListMergesRequest::default()).await.unwrap().into_inner().merges;
    Kept {
        friend: stage.friend(&person(1)).await,
        link: stage.links_of(&person(1)).await.remove(0).link_id,
        suspicion: stage.suspicions().await.remove(0).duplicate_suspicion_id,
        merge: merged[0].merge_id.clone(),
        activity: activity.activity_id,
        customer,
        attempt,
        held,
        takeover,
    }
}

/// What every method that reads one thing, or what belongs to one, answers.
async fn read(company: &Company, who: &StaffMember, kept: &Kept) -> Vec<(&'static str, Code)> {
    let mut answered = Vec::new();
    macro_rules! ask {
        ($service:ident.$method:ident($request:expr)) => {
            let outcome = by!(company, who, $service.$method($request));
            answered.push((stringify!($method), outcome.map_or_else(|status| status.code(), |_| Code::Ok)));
        };
    }
    let (account_id, friend_id) = (company.stage.account.to_string(), kept.friend.clone());
    let customer_id = kept.customer.clone();
    ask!(friends.get_friend(GetFriendRequest { account_id, friend_id, ..GetFriendRequest::default() }));
    ask!(customers.get_customer(GetCustomerRequest { customer_id, ..GetCustomerRequest::default() }));
    let customer_id = kept.customer.clone();
    ask!(customers.list_activities(ListActivitiesRequest { customer_id, ..ListActivitiesRequest::default() }));
    let activity_id = kept.activity.clone();
    ask!(customers.get_activity(GetActivityRequest { activity_id, ..GetActivityRequest::default() }));
    let (kind, external_reference) = (ActivityKind::Reservation.into(), "R-1".to_owned());
    ask!(customers.get_activity(GetActivityRequest { kind, external_reference, ..GetActivityRequest::default() }));
    let (customer_id, friend_id) = (kept.customer.clone(), kept.friend.clone());
    ask!(links.list_links(ListLinksRequest { customer_id, ..ListLinksRequest::default() }));
    ask!(links.list_links(ListLinksRequest { friend_id, ..ListLinksRequest::default() }));
    for link_attempt_id in [&kept.attempt, &kept.held] {
        ask!(attempts.get_link_attempt(GetLinkAttemptRequest { link_attempt_id: link_attempt_id.clone() }));
    }
    let (customer_id, friend_id) = (kept.customer.clone(), kept.friend.clone());
    ask!(attempts.list_link_attempts(ListLinkAttemptsRequest { customer_id, ..ListLinkAttemptsRequest::default() }));
    ask!(attempts.list_link_attempts(ListLinkAttemptsRequest { friend_id, ..ListLinkAttemptsRequest::default() }));
    let takeover_request_id = kept.takeover.clone();
    ask!(takeovers.get_takeover_request(GetTakeoverRequestRequest { takeover_request_id }));
    let customer_id = kept.customer.clone();
    let asked = ListTakeoverRequestsRequest { customer_id, ..ListTakeoverRequestsRequest::default() };
    ask!(takeovers.list_takeover_requests(asked));
    let customer_id = kept.customer.clone();
    let asked = ListDuplicateSuspicionsRequest { customer_id, ..ListDuplicateSuspicionsRequest::default() };
    ask!(duplicates.list_duplicate_suspicions(asked));
    let customer_id = kept.customer.clone();
    ask!(merges.list_merges(ListMergesRequest { customer_id, ..ListMergesRequest::default() }));
    answered
}

/// What every method that changes one thing answers.
async fn change(company: &Company, who: &StaffMember, kept: &Kept) -> Vec<(&'static str, Code)> {
    let mut answered = Vec::new();
    macro_rules! ask {
        ($service:ident.$method:ident($request:expr)) => {
            let outcome = by!(company, who, $service.$method($request));
            answered.push((stringify!($method), outcome.map_or_else(|status| status.code(), |_| Code::Ok)));
        };
    }
    let (note, etag) = (|| "x".to_owned(), String::new);
    let (account_id, friend_id) = (company.stage.account.to_string(), kept.friend.clone());
    let friend = Friend { account_id: account_id.clone(), friend_id: friend_id.clone(), ..Friend::default() };
    ask!(friends.update_friend(UpdateFriendRequest { friend: Some(friend), update_mask: None }));
    let request_id = String::new;
    ask!(attempts.invite_to_link(InviteToLinkRequest {
        account_id: account_id.clone(),
        friend_id: friend_id.clone(),
        request_id: request_id()
    }));
    let method = LinkMethod::BookingPage.into();
    ask!(attempts.issue_form_token(IssueFormTokenRequest { account_id, friend_id, method }));
    let customer =
        Customer { customer_id: kept.customer.clone(), birth_date: "1990-04-01".to_owned(), ..Customer::default() };
    ask!(customers.update_customer(UpdateCustomerRequest { customer: Some(customer), update_mask: None }));
    ask!(customers.record_activity(told(&kept.customer, ActivityKind::Visit, "V-1", 20_001)));
    let link_id = || kept.link.clone();
    ask!(links.confirm_link(ConfirmLinkRequest { link_id: link_id(), note: note(), etag: etag() }));
    let link_attempt_id = || kept.held.clone();
    ask!(
        attempts
            .reconsider_link_attempt(ReconsiderLinkAttemptRequest { link_attempt_id: link_attempt_id(), etag: etag() })
    );
    ask!(attempts.resolve_link_attempt(ResolveLinkAttemptRequest {
        link_attempt_id: link_attempt_id(),
        resolution: Some(Resolution::Dismiss(true)),
        note: note(),
        etag: etag(),
    }));
    let takeover_request_id = || kept.takeover.clone();
    ask!(takeovers.decline_takeover_request(DeclineTakeoverRequestRequest {
        takeover_request_id: takeover_request_id(),
        note: note(),
        etag: etag(),
    }));
    let duplicate_suspicion_id = kept.suspicion.clone();
    ask!(
        duplicates
            .dismiss_duplicate_suspicion(DismissDuplicateSuspicionRequest { duplicate_suspicion_id, note: note() })
    );
    ask!(merges.undo_merge(UndoMergeRequest { merge_id: kept.merge.clone(), note: note() }));
    ask!(links.end_link(EndLinkRequest { link_id: link_id(), note: note(), etag: etag() }));
    answered
}

fn all(answered: &[(&str, Code)], code: Code) {
    assert!(!answered.is_empty() && answered.iter().all(|(_, found)| *found == code), "{answered:?}");
}

#[tokio::test]
async fn staff_of_another_branch_find_nothing_by_any_method_and_change_nothing() {
    let company = Company::open("branches").await;
    let kept = keep(&company).await;
    let before = company.stage.house.audit(company.stage.tenant).await.len();
    for stranger in [&company.of_ueno, &company.of_none] {
        all(&read(&company, stranger, &kept).await, Code::NotFound);
        all(&change(&company, stranger, &kept).await, Code::NotFound);
        assert!(company.customers(stranger).await.is_empty() && company.friends(stranger).await.is_empty());
        assert!(company.attempts(stranger).await.is_empty() && company.takeovers(stranger).await.is_empty());
        assert_eq!(company.joined(stranger).await, (0, 0));
        let takes_over = ApproveTakeoverRequestRequest {
            takeover_request_id: kept.takeover.clone(),
            note: "x".to_owned(),
            etag: String::new(),
        };
        let approved = by!(company, stranger, takeovers.approve_takeover_request(takes_over));
        assert_eq!(reason(approved), (Code::NotFound, "NOT_FOUND".to_owned()));
    }
    assert_eq!(company.stage.house.audit(company.stage.tenant).await.len(), before, "nothing was changed");
    for insider in [&company.of_shibuya, &company.administrator] {
        all(&read(&company, insider, &kept).await, Code::Ok);
        assert_eq!((company.customers(insider).await.len(), company.friends(insider).await.len()), (3, 5));
        assert_eq!((company.attempts(insider).await.len(), company.takeovers(insider).await.len()), (6, 1));
        assert_eq!(company.joined(insider).await, (1, 1));
    }
    all(&change(&company, &company.of_shibuya, &kept).await, Code::Ok);
}

#[tokio::test]
async fn administrators_of_another_tenant_find_nothing_either() {
    let company = Company::open("branches_tenants").await;
    let kept = keep(&company).await;
    let elsewhere = company.stage.house.at(company.stage.house.tenant().await);
    let get = GetCustomerRequest { customer_id: kept.customer.clone(), ..GetCustomerRequest::default() };
    assert_eq!(reason(elsewhere.customers().get_customer(get).await).0, Code::NotFound);
    let get = GetLinkAttemptRequest { link_attempt_id: kept.held.clone() };
    assert_eq!(reason(elsewhere.attempts().get_link_attempt(get).await).0, Code::NotFound);
    let get = GetTakeoverRequestRequest { takeover_request_id: kept.takeover.clone() };
    assert_eq!(reason(elsewhere.takeovers().get_takeover_request(get).await).0, Code::NotFound);
}

#[tokio::test]
async fn nobody_takes_a_reservation_or_a_customer_of_another_branch() {
    let company = Company::open("branches_taken").await;
    let kept = keep(&company).await;
    let own = company.stage.customer(("上野", "三郎"), "070-5555-6666").await;
    company.stage.give(&own, &company.ueno).await;
    // The reservation is known by its reference; recorded for another customer it would be that one's.
    let moved =
        by!(company, &company.of_ueno, customers.record_activity(told(&own, ActivityKind::Reservation, "R-1", 20_000)));
    assert_eq!(reason(moved).0, Code::NotFound);
    // Of a held attempt that staff may settle, nobody becomes a customer whom they do not see.
    company.stage.put_default(&company.ueno).await;
    let chosen = ResolveLinkAttemptRequest {
        link_attempt_id: kept.held.clone(),
        resolution: Some(Resolution::CustomerId(kept.customer.clone())),
        note: "x".to_owned(),
        etag: String::new(),
    };
    let resolved = by!(company, &company.of_ueno, attempts.resolve_link_attempt(chosen.clone()));
    assert_eq!(reason(resolved).0, Code::NotFound);
    let chosen = ResolveLinkAttemptRequest { resolution: Some(Resolution::CustomerId(own)), ..chosen };
    assert!(by!(company, &company.of_ueno, attempts.resolve_link_attempt(chosen)).is_ok());
}
