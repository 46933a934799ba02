//! Who opens such an account, who has a share in it, and who uses it.

use contracts::access_proto::v1::Right;
use contracts::events::v1::AccountPurpose;
use contracts::identity::v1::*;
use tonic::Code;

use super::super::scene::{purpose, put_purpose};
use super::{end, get, give, leave, open, take_into_use, told_shares};
use crate::friend::user;
use crate::linking::stage::Stage;
use crate::refused::{fields, reason};

#[tokio::test]
async fn the_operator_alone_makes_an_account_one_of_several_tenants_and_gives_shares_in_it() {
    let stage = Stage::open("shared_rights").await;
    let account = stage.account.to_string();
    let manager = stage.house.program(stage.tenant, &[Right::AccountsManage, Right::AccountsRead]).await;
    let not_held = (Code::PermissionDenied, "RIGHT_NOT_HELD".to_owned());
    let wanted = || purpose(&account, AccountPurpose::SharedStaff.into());
    assert_eq!(reason(manager.accounts().update_official_account(wanted()).await), not_held);
    let mut made = OfficialAccount { provider_id: stage.provider.clone(), ..OfficialAccount::default() };
    (made.channel_id, made.purpose) = ("99".to_owned(), AccountPurpose::SharedStaff.into());
    let request = CreateOfficialAccountRequest { account: Some(made), ..CreateOfficialAccountRequest::default() };
    assert_eq!(reason(manager.accounts().create_official_account(request).await), not_held);
    let tenant = stage.house.tenant().await;
    assert_eq!(
        reason(give(&stage, tenant, 5).await),
        (Code::FailedPrecondition, "ACCOUNT_NOT_SHARED".to_owned()),
        "an account for customers"
    );

    put_purpose(&stage, &account, AccountPurpose::SharedStaff).await.unwrap();
    let taken = purpose(&account, AccountPurpose::Customers.into());
    assert_eq!(reason(manager.accounts().update_official_account(taken.clone()).await), not_held);
    let guest = stage.house.program(tenant, &[Right::AccountsManage, Right::AccountsRead]).await;
    let set = SetStaffAccountShareRequest {
        home_tenant_id: stage.tenant.to_string(),
        account_id: account.clone(),
        monthly_push_limit: 5,
    };
    let denied = (Code::PermissionDenied, "RIGHT_MISSING".to_owned());
    assert_eq!(reason(guest.staff_accounts().set_staff_account_share(set).await), denied);
    assert_eq!(reason(end(&guest).await), denied);
    let missing = (Code::NotFound, "NOT_FOUND".to_owned());
    for refused in [get(&guest).await, take_into_use(&guest).await, leave(&guest).await] {
        assert_eq!(reason(refused), missing, "no share was given");
    }

    let given = give(&stage, tenant, 5).await.unwrap();
    assert_eq!((given.state(), given.monthly_push_limit), (StaffAccountShareState::Offered, 5));
    let in_use = (Code::FailedPrecondition, "ACCOUNT_IN_USE".to_owned());
    assert_eq!(reason(stage.at().accounts().update_official_account(taken).await), in_use, "somebody has a share");
    // Whoever has a share knows the account by what staff need to find it, and cannot touch it.
    let shown = get(&guest).await.unwrap();
    assert!(shown.account_connected && !shown.account_basic_id.is_empty(), "{shown:?}");
    let read = GetOfficialAccountRequest { account_id: account.clone() };
    assert_eq!(reason(guest.accounts().get_official_account(read).await), missing);
    let pause = PauseOfficialAccountRequest { account_id: account };
    assert_eq!(reason(guest.accounts().pause_official_account(pause).await), missing);
}

#[tokio::test]
async fn what_is_wrong_with_a_share_is_named() {
    let stage = open("shared_wrong").await;
    let tenant = stage.house.tenant().await;
    let caller = stage.house.at(tenant);
    let set = |home: &str, account: &str, limit| SetStaffAccountShareRequest {
        home_tenant_id: home.to_owned(),
        account_id: account.to_owned(),
        monthly_push_limit: limit,
    };
    let (home, account) = (stage.tenant.to_string(), stage.account.to_string());
    for (request, wrong) in [
        (set("x", "", 0), &["home_tenant_id", "account_id", "monthly_push_limit"][..]),
        (set(&tenant.to_string(), &account, 1), &["home_tenant_id"][..]),
        (set(&home, &account, 1_000_001), &["monthly_push_limit"][..]),
        (set(&home, &account, -1), &["monthly_push_limit"][..]),
    ] {
        assert_eq!(fields(caller.staff_accounts().set_staff_account_share(request).await), wrong);
    }
    let missing = (Code::NotFound, "NOT_FOUND".to_owned());
    for (home, account) in [(home.as_str(), tenant.to_string()), (&*tenant.to_string().replace('0', "1"), account)] {
        let refused = caller.staff_accounts().set_staff_account_share(set(home, &account, 1)).await;
        assert_eq!(reason(refused), missing);
    }
    assert_eq!(reason(get(&caller).await), missing, "nothing was given");
    assert_eq!(stage.count("identity.staff_account_guest").await, 0);
    let nobody = stage.house.at(uuid::Uuid::new_v4().into());
    assert_eq!(
        reason(nobody.staff_accounts().set_staff_account_share(set(&home, &stage.account.to_string(), 1)).await),
        missing,
        "no such tenant"
    );
}

#[tokio::test]
async fn whatever_is_said_again_changes_nothing_and_one_staff_account_is_all_a_tenant_has() {
    let stage = open("shared_again").await;
    let tenant = stage.house.tenant().await;
    let caller = stage.house.at(tenant);
    for _ in 0..2 {
        assert_eq!(give(&stage, tenant, 5).await.unwrap().state(), StaffAccountShareState::Offered);
    }
    for _ in 0..2 {
        assert_eq!(take_into_use(&caller).await.unwrap().state(), StaffAccountShareState::Used);
    }
    // Another limit for a share that is used, which it stays.
    assert_eq!(give(&stage, tenant, 7).await.unwrap().state(), StaffAccountShareState::Used);
    let told: Vec<_> = told_shares(&stage, tenant).await;
    let told: Vec<_> = told.iter().map(|one| (one.version, one.used, one.monthly_push_limit)).collect();
    assert_eq!(told, [(1, false, 5), (2, true, 5), (3, true, 7)]);

    // No account of its own beside it, be it made so or changed.
    let taken = (Code::AlreadyExists, "STAFF_ACCOUNT_TAKEN".to_owned());
    let provider = stage.house.provider(tenant).await;
    let own = stage.house.registered(tenant, &provider, &user(200)).await.to_string();
    let wanted = || purpose(&own, AccountPurpose::Staff.into());
    assert_eq!(reason(caller.accounts().update_official_account(wanted()).await), taken);
    let made = OfficialAccount {
        provider_id: provider,
        channel_id: "98".to_owned(),
        purpose: AccountPurpose::Staff.into(),
        ..OfficialAccount::default()
    };
    let request = CreateOfficialAccountRequest { account: Some(made), ..CreateOfficialAccountRequest::default() };
    assert_eq!(reason(caller.accounts().create_official_account(request).await), taken);
    // Nor another of the operator's, until this one is left.
    let second = stage.house.registered(stage.tenant, &stage.provider, &user(201)).await.to_string();
    put_purpose(&stage, &second, AccountPurpose::SharedStaff).await.unwrap();
    let other = SetStaffAccountShareRequest {
        home_tenant_id: stage.tenant.to_string(),
        account_id: second.clone(),
        monthly_push_limit: 5,
    };
    let set = || caller.clone();
    let refused = set().staff_accounts().set_staff_account_share(other.clone()).await;
    assert_eq!(reason(refused), (Code::FailedPrecondition, "SHARE_USED".to_owned()));
    for _ in 0..2 {
        assert_eq!(leave(&caller).await.unwrap().state(), StaffAccountShareState::Offered);
    }
    let moved = set().staff_accounts().set_staff_account_share(other).await.unwrap().into_inner().share.unwrap();
    assert_eq!((moved.account_id.as_str(), moved.state()), (second.as_str(), StaffAccountShareState::Offered));
    // The other way round: while an account of its own is for staff, the share is not used.
    caller.accounts().update_official_account(wanted()).await.unwrap();
    assert_eq!(reason(take_into_use(&caller).await), taken);
    for _ in 0..2 {
        assert_eq!(end(&caller).await.unwrap().state(), StaffAccountShareState::Ended);
    }
    assert_eq!(reason(take_into_use(&caller).await), (Code::NotFound, "NOT_FOUND".to_owned()));
    let ended = get(&caller).await.unwrap();
    assert_eq!((ended.state(), ended.account_basic_id.as_str()), (StaffAccountShareState::Ended, ""));
    let noted = stage.house.audit(tenant).await;
    let noted: Vec<_> = noted.iter().filter_map(|one| one.strip_prefix("staff_account_share.")).collect();
    assert_eq!(noted, ["set", "use", "set", "leave", "set", "end"]);
}

#[tokio::test]
async fn staff_are_told_under_the_tenants_name_of_today() {
    let stage = open("shared_name").await;
    let tenant = stage.house.tenant().await;
    let caller = stage.house.at(tenant);
    give(&stage, tenant, 5).await.unwrap();
    take_into_use(&caller).await.unwrap();
    let renamed = Tenant { display_name: "さくら美容室".to_owned(), ..Tenant::default() };
    let request = UpdateTenantRequest { tenant: Some(renamed), update_mask: None };
    for _ in 0..2 {
        caller.tenants().update_tenant(request.clone()).await.unwrap();
    }
    let told = told_shares(&stage, tenant).await;
    let names: Vec<_> = told.iter().map(|one| (one.tenant_display_name.as_str(), one.version, one.used)).collect();
    assert_eq!(names, [("Tenant", 1, false), ("Tenant", 2, true), ("さくら美容室", 3, true)]);
    assert!(told.iter().all(|one| one.home_tenant_id == stage.tenant.to_string()));
}

#[tokio::test]
async fn a_share_and_an_account_of_its_own_that_are_taken_into_use_at_once_never_both_are() {
    let stage = open("shared_race").await;
    for turn in 0..12_u8 {
        let tenant = stage.house.tenant().await;
        let caller = stage.house.at(tenant);
        give(&stage, tenant, 5).await.unwrap();
        let provider = stage.house.provider(tenant).await;
        let own = stage.house.registered(tenant, &provider, &user(100 + turn)).await.to_string();
        let (mut accounts, wanted) = (caller.accounts(), purpose(&own, AccountPurpose::Staff.into()));
        let (used, own) = tokio::join!(take_into_use(&caller), accounts.update_official_account(wanted));
        assert!(used.is_ok() != own.is_ok(), "turn {turn}: {used:?} {own:?}");
    }
}
