//! Whose things are as accounts, links and customers change.

use contracts::identity::v1::*;
use prost_types::FieldMask;

use super::company::{Company, by};
use crate::linking::stage::{HANAKO, MOBILE, Stage, person};

#[tokio::test]
async fn until_a_branch_is_assigned_only_administrators_see_the_case() {
    let company = Company::open("unassigned").await;
    let stage = &company.stage;
    stage.hold().await;
    let held = stage.link(&person(1), HANAKO, MOBILE).await.link_attempt_id;
    let friend = stage.friend(&person(1)).await;
    let customer = stage.customer(("鈴木", "一郎"), "080-0000-0000").await;
    let none: [String; 0] = [];
    let staff = [&company.of_shibuya, &company.of_ueno, &company.of_none];
    for member in staff {
        assert_eq!(company.friends(member).await, none);
        assert_eq!(company.attempts(member).await, none);
        assert_eq!(company.customers(member).await, none);
    }
    let administrator = &company.administrator;
    assert_eq!(company.friends(administrator).await, [friend.as_str()]);
    assert_eq!(company.attempts(administrator).await, [held.as_str()]);
    assert_eq!(company.customers(administrator).await, [customer.as_str()]);

    stage.put_default(&company.shibuya).await;
    assert_eq!(company.friends(&company.of_shibuya).await, [friend.as_str()]);
    assert_eq!(company.attempts(&company.of_shibuya).await, [held.as_str()]);
    assert_eq!(company.customers(&company.of_shibuya).await, none, "whose customer it is has to be said");
    stage.give(&customer, &company.shibuya).await;
    assert_eq!(company.customers(&company.of_shibuya).await, [customer.as_str()]);
    for member in [&company.of_ueno, &company.of_none] {
        assert_eq!((company.friends(member).await, company.customers(member).await), (vec![], vec![]));
    }
    stage.put_default("").await;
    assert_eq!(company.friends(&company.of_shibuya).await, none);
    assert_eq!(company.customers(&company.of_shibuya).await, [customer.as_str()]);
}

/// Whose the account itself is.
async fn put_owner(stage: &Stage, organization: &str) {
    let account = OfficialAccount {
        account_id: stage.account.to_string(),
        owner_organization_id: organization.to_owned(),
        ..OfficialAccount::default()
    };
    let mask = FieldMask { paths: vec!["owner_organization_id".to_owned()] };
    let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: Some(mask) };
    stage.at().accounts().update_official_account(request).await.unwrap();
}

#[tokio::test]
async fn a_line_user_is_the_linked_customers_then_the_owners_then_the_defaults() {
    let company = Company::open("whose").await;
    let stage = &company.stage;
    stage.put_default(&company.shibuya).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.give(&customer, &company.ueno).await;
    stage.send(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    let seen =
        async || (company.friends(&company.of_shibuya).await.len(), company.friends(&company.of_ueno).await.len());
    assert_eq!(seen().await, (1, 0), "the default's");
    put_owner(stage, &company.ueno).await;
    assert_eq!(seen().await, (0, 1), "the owner's");
    put_owner(stage, "").await;
    let link = stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(seen().await, (0, 1), "the customer's");
    assert_eq!(company.attempts(&company.of_ueno).await, [link.link_attempt_id.as_str()]);
    assert!(company.attempts(&company.of_shibuya).await.is_empty());

    // Somebody else asks for the customer's link: the customer's branch judges it, and sees who asks and what was typed.
    let asked = stage.link(&person(2), HANAKO, MOBILE).await;
    assert_eq!(company.takeovers(&company.of_ueno).await, [asked.takeover_request_id.as_str()]);
    assert!(company.takeovers(&company.of_shibuya).await.is_empty());
    let attempts =
        |asked: &LinkAttempt, other: &LinkAttempt| vec![asked.link_attempt_id.clone(), other.link_attempt_id.clone()];
    assert_eq!(company.attempts(&company.of_ueno).await, attempts(&asked, &link));
    assert_eq!(company.attempts(&company.of_shibuya).await, [asked.link_attempt_id.as_str()], "of the one who asks");

    let ended = stage.links_of(&person(1)).await.remove(0).link_id;
    let end = EndLinkRequest { link_id: ended.clone(), note: "x".to_owned(), etag: String::new() };
    stage.at().links().end_link(end).await.unwrap();
    assert_eq!(seen().await, (2, 0));
    // The link that ended was of another branch's customer: whoever sees the LINE user now does not see whose that was.
    let friend_id = stage.friend(&person(1)).await;
    let list = ListLinksRequest { friend_id, ..ListLinksRequest::default() };
    assert!(by!(company, &company.of_shibuya, links.list_links(list.clone())).unwrap().links.is_empty());
    assert_eq!(by!(company, &company.administrator, links.list_links(list)).unwrap().links.len(), 1);
    let list = ListLinksRequest { customer_id: customer, ..ListLinksRequest::default() };
    assert_eq!(by!(company, &company.of_ueno, links.list_links(list)).unwrap().links.len(), 1);
}

#[tokio::test]
async fn what_joins_customers_of_two_branches_is_the_administrators() {
    let company = Company::open("whose_pair").await;
    let stage = &company.stage;
    stage.put_default(&company.shibuya).await;
    let customer = stage.customer(HANAKO, MOBILE).await;
    stage.give(&customer, &company.ueno).await;
    stage.link(&person(1), HANAKO, "070-1111-2222").await;
    assert_eq!(company.joined(&company.administrator).await, (1, 0));
    let suspicion = stage.suspicions().await.remove(0).duplicate_suspicion_id;
    stage.link(&person(1), HANAKO, MOBILE).await;
    assert_eq!(company.joined(&company.administrator).await.1, 1);
    for member in [&company.of_shibuya, &company.of_ueno] {
        assert_eq!(company.joined(member).await, (0, 0));
        let dismiss =
            DismissDuplicateSuspicionRequest { duplicate_suspicion_id: suspicion.clone(), note: "x".to_owned() };
        assert!(by!(company, member, duplicates.dismiss_duplicate_suspicion(dismiss)).is_err());
    }
}
