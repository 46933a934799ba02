//! What staff are to hear of (F-70), and that nobody does without an organization (F-71).

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{StaffNoticeKind, StaffNoticeRequested};
use contracts::identity::v1::*;
use prost_types::FieldMask;

use crate::friend::user;
use crate::linking::stage::{HANAKO, MOBILE, Stage, person};

async fn branch(stage: &Stage, name: &str) -> String {
    let organization = Organization { display_name: name.to_owned(), ..Organization::default() };
    let request = CreateOrganizationRequest { organization: Some(organization), request_id: String::new() };
    stage.at().staff().create_organization(request).await.unwrap().into_inner().organization.unwrap().organization_id
}

async fn put_default(stage: &Stage, organization: &str) {
    let account = OfficialAccount {
        account_id: stage.account.to_string(),
        default_organization_id: organization.to_owned(),
        ..OfficialAccount::default()
    };
    let mask = FieldMask { paths: vec!["default_organization_id".to_owned()] };
    let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: Some(mask) };
    stage.at().accounts().update_official_account(request).await.unwrap();
}

/// What was asked of messaging, in its order.
pub(super) async fn notices(stage: &Stage) -> Vec<StaffNoticeRequested> {
    let told = stage.house.told(Some(stage.tenant)).await.into_iter();
    told.filter_map(|body| if let Body::StaffNoticeRequested(one) = body { Some(one) } else { None }).collect()
}

#[tokio::test]
async fn a_friend_add_is_told_to_the_default_organization_once_a_follow_and_to_nobody_without_one() {
    let stage = Stage::open("notice_friend").await;
    stage.send(&[stage.event("follow", &person(1), stage.moment(), "")]).await;
    assert!(notices(&stage).await.is_empty(), "no default organization, no notice");
    let shibuya = branch(&stage, "渋谷店").await;
    put_default(&stage, &shibuya).await;
    let at = stage.moment();
    let follow = stage.event("follow", &person(2), at, "");
    stage.send(&[follow.clone(), follow, stage.wrote(&person(2)), stage.wrote(&person(3))]).await;
    let told = notices(&stage).await;
    assert_eq!(told.len(), 1, "once for each follow, and not for whoever only writes");
    let one = &told[0];
    assert_eq!((one.kind(), &one.organization_id), (StaffNoticeKind::FriendAdded, &shibuya));
    assert_eq!((&one.account_id, &one.line_user_id), (&stage.account.to_string(), &person(2)));
    assert_eq!(one.subject_id, stage.friend(&person(2)).await);
    assert_eq!(one.occur_time.unwrap().seconds, at / 1_000);

    // Away and back again is another follow; an old one that comes late is none.
    stage.send(&[stage.event("unfollow", &person(2), stage.moment(), "")]).await;
    stage.send(&[stage.event("follow", &person(2), stage.moment(), "")]).await;
    stage.send(&[stage.event("follow", &person(2), at - 1, "")]).await;
    let told = notices(&stage).await;
    assert_eq!(told.len(), 2);
    assert_ne!(told[0].notice_id, told[1].notice_id);
    // What is told again to rebuild what was lost is no news.
    stage.send_as(stage.account, &[stage.event("follow", &person(4), stage.moment(), "")], true).await;
    // And nothing is told of an account that LINE has not confirmed (F-04).
    let registered = stage.house.registered(stage.tenant, &stage.provider, &user(200)).await;
    let account = OfficialAccount {
        account_id: registered.to_string(),
        default_organization_id: shibuya,
        ..OfficialAccount::default()
    };
    let request = UpdateOfficialAccountRequest { account: Some(account), update_mask: None };
    stage.at().accounts().update_official_account(request).await.unwrap();
    stage.send_as(registered, &[stage.event("follow", &person(5), stage.moment(), "")], false).await;
    assert_eq!(notices(&stage).await.len(), 2);
}

#[tokio::test]
async fn a_held_attempt_and_a_take_over_are_told_to_whose_customer_it_is() {
    let stage = Stage::open("notice_held").await;
    let (shibuya, ginza) = (branch(&stage, "渋谷店").await, branch(&stage, "銀座店").await);
    put_default(&stage, &shibuya).await;
    stage.hold().await;
    let held = stage.link(&person(1), ("鈴木", "一郎"), MOBILE).await;
    assert_eq!(held.outcome(), LinkOutcome::Held);
    let told = notices(&stage).await;
    let one = told.iter().find(|one| one.kind() == StaffNoticeKind::LinkHeld).unwrap();
    assert_eq!((&one.subject_id, &one.organization_id), (&held.link_attempt_id, &shibuya));

    let customer = stage.customer(HANAKO, "080-8765-4321").await;
    let wanted = Customer { customer_id: customer.clone(), organization_id: ginza.clone(), ..Customer::default() };
    let mask = FieldMask { paths: vec!["organization_id".to_owned()] };
    let request = UpdateCustomerRequest { customer: Some(wanted), update_mask: Some(mask) };
    stage.at().customers().update_customer(request).await.unwrap();
    stage.link(&person(2), HANAKO, "080-8765-4321").await;
    let asked = stage.link(&person(3), HANAKO, "080-8765-4321").await;
    assert_eq!(asked.reason(), LinkReason::CustomerHasOtherLineUser);
    let told = notices(&stage).await;
    let takeovers: Vec<_> = told.iter().filter(|one| one.kind() == StaffNoticeKind::TakeoverRequested).collect();
    assert_eq!(takeovers.len(), 1);
    assert_eq!((&takeovers[0].organization_id, &takeovers[0].line_user_id), (&ginza, &person(3)));
    let held = told.iter().filter(|one| one.kind() == StaffNoticeKind::LinkHeld).count();
    assert_eq!(held, 1, "what a request stands for is not told twice");
}
