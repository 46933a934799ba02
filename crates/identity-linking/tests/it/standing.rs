//! Who may change what of whom, over gRPC. The rule itself is in identity-linking-core, with its properties.

use contracts::access_proto::v1::Right;
use contracts::events::v1::AssertionKey;
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::Code;

use crate::house::{Caller, House};
use crate::refused::reason;
use crate::signer::Signer;

fn member(name: &str, rights: &[Right]) -> StaffMember {
    StaffMember {
        display_name: name.to_owned(),
        rights: rights.iter().map(|right| i32::from(*right)).collect(),
        active: true,
        ..StaffMember::default()
    }
}

async fn made(caller: &Caller, member: StaffMember) -> StaffMember {
    let request = CreateStaffMemberRequest { staff_member: Some(member), request_id: String::new() };
    caller.staff().create_staff_member(request).await.unwrap().into_inner().staff_member.unwrap()
}

fn change(of: &StaffMember, path: &str, to: impl FnOnce(&mut StaffMember)) -> UpdateStaffMemberRequest {
    let mut wanted = StaffMember { etag: String::new(), ..of.clone() };
    to(&mut wanted);
    UpdateStaffMemberRequest {
        staff_member: Some(wanted),
        update_mask: Some(FieldMask { paths: vec![path.to_owned()] }),
    }
}

fn denied(reason: &str) -> (Code, String) {
    (Code::PermissionDenied, reason.to_owned())
}

#[tokio::test]
async fn a_master_is_changed_deactivated_and_brought_back_by_a_master_only() {
    let house = House::open("standing_master").await;
    let tenant = house.tenant().await;
    let manager = house.program(tenant, &[Right::StaffManage, Right::StaffRead, Right::MessagesSend]).await;
    let master = house.program(tenant, &[Right::StaffManage, Right::Master]).await;
    let above = made(&house.at(tenant), member("店長", &[Right::Master])).await;
    let changes = [
        change(&above, "active", |wanted| wanted.active = false),
        change(&above, "rights", |wanted| wanted.rights.clear()),
        change(&above, "display_name", |wanted| wanted.display_name = "x".to_owned()),
        change(&above, "administrator", |wanted| wanted.administrator = true),
        change(&above, "external_reference", |wanted| wanted.external_reference = "x".to_owned()),
        change(&above, "organization_ids", |wanted| wanted.organization_ids.clear()),
    ];
    for request in changes.clone() {
        let outcome = manager.staff().update_staff_member(request.clone()).await;
        assert_eq!(reason(outcome), denied("RIGHT_NEEDS_MASTER"), "{request:?}");
    }
    let before = house.audit(tenant).await;
    let gone = master.staff().update_staff_member(changes[0].clone()).await.unwrap().into_inner().staff_member.unwrap();
    assert!(!gone.active);
    let back = change(&above, "active", |wanted| wanted.active = true);
    assert_eq!(reason(manager.staff().update_staff_member(back.clone()).await), denied("RIGHT_NEEDS_MASTER"));
    assert!(master.staff().update_staff_member(back).await.unwrap().into_inner().staff_member.unwrap().active);
    assert_eq!(house.audit(tenant).await.len(), before.len() + 2, "what was refused left no trace");

    // Staff below are the manager's to change; only what the manager lacks cannot be given back.
    let below = made(&house.at(tenant), member("佐藤", &[Right::MessagesSend, Right::CustomersRead])).await;
    let away = change(&below, "active", |wanted| wanted.active = false);
    assert!(manager.staff().update_staff_member(away).await.is_ok());
    let back = change(&below, "active", |wanted| wanted.active = true);
    assert_eq!(reason(manager.staff().update_staff_member(back).await), denied("RIGHT_NOT_HELD"));
    let less = change(&below, "rights", |wanted| wanted.rights = vec![Right::MessagesSend.into()]);
    assert!(manager.staff().update_staff_member(less).await.is_ok());
    let back = change(&below, "active", |wanted| wanted.active = true);
    assert!(manager.staff().update_staff_member(back).await.is_ok());
}

#[tokio::test]
async fn a_program_that_holds_the_master_right_is_revoked_by_a_master_only() {
    let house = House::open("standing_program").await;
    let tenant = house.tenant().await;
    let manager = house.program(tenant, &[Right::PrincipalsManage]).await;
    let create = |name: &str, rights: &[Right]| CreatePrincipalRequest {
        display_name: name.to_owned(),
        rights: rights.iter().map(|right| i32::from(*right)).collect(),
        ..CreatePrincipalRequest::default()
    };
    let at = house.at(tenant);
    let above = at.principals().create_principal(create("master", &[Right::Master])).await.unwrap().into_inner();
    let principal_id = above.principal.unwrap().principal_id;
    let revoke = RevokePrincipalRequest { principal_id: principal_id.clone() };
    assert_eq!(reason(manager.principals().revoke_principal(revoke.clone()).await), denied("RIGHT_NEEDS_MASTER"));
    let key = AssertionKey { key_id: "k".to_owned(), public_key: vec![7; 32] };
    let register = RegisterAssertionKeyRequest { principal_id, key: Some(key) };
    assert_eq!(
        reason(manager.principals().register_assertion_key(register.clone()).await),
        denied("RIGHT_NEEDS_MASTER")
    );
    assert!(at.principals().register_assertion_key(register).await.is_ok());
    assert!(at.principals().revoke_principal(revoke).await.is_ok());
    let below = at.principals().create_principal(create("booking", &[Right::CustomersRead])).await.unwrap();
    let revoke = RevokePrincipalRequest { principal_id: below.into_inner().principal.unwrap().principal_id };
    assert!(manager.principals().revoke_principal(revoke).await.is_ok());
}

/// The outcome of a change that somebody of the staff makes, once the service's directory knows program and staff.
async fn update(
    signer: &Signer,
    staff: &StaffMember,
    change: &UpdateStaffMemberRequest,
) -> Result<StaffMember, tonic::Status> {
    signer.known(staff).await;
    let changed = signer.caller.staff().update_staff_member(signer.acting(staff, change.clone())).await;
    changed.map(|changed| changed.into_inner().staff_member.unwrap())
}

#[tokio::test]
async fn a_branch_manager_gives_the_own_branch_only_and_leaves_administrators_alone() {
    let house = House::open("standing_branch").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let branch = async |name: &str| {
        let organization = Organization { display_name: name.to_owned(), ..Organization::default() };
        let request = CreateOrganizationRequest { organization: Some(organization), request_id: String::new() };
        at.staff().create_organization(request).await.unwrap().into_inner().organization.unwrap().organization_id
    };
    let (own, other) = (branch("渋谷店").await, branch("新宿店").await);
    let rights = [Right::StaffManage, Right::StaffRead];
    let signer = Signer::new(&house, tenant, &rights).await;
    let manager = StaffMember { organization_ids: vec![own.clone()], ..member("鈴木", &rights) };
    let manager = made(&at, manager).await;
    let administrator = made(&at, StaffMember { administrator: true, ..member("管理者", &rights) }).await;
    let below = made(&at, member("佐藤", &[])).await;

    let join =
        |branch: &str| change(&below, "organization_ids", |wanted| wanted.organization_ids = vec![branch.to_owned()]);
    assert_eq!(update(&signer, &manager, &join(&own)).await.unwrap().organization_ids, [own.as_str()]);
    assert_eq!(reason(update(&signer, &manager, &join(&other)).await), denied("ORGANIZATION_NOT_HELD"));
    assert_eq!(update(&signer, &administrator, &join(&other)).await.unwrap().organization_ids, [other]);
    let rename = change(&administrator, "display_name", |wanted| wanted.display_name = "x".to_owned());
    assert_eq!(reason(update(&signer, &manager, &rename).await), denied("ADMINISTRATOR_NOT_HELD"));
    let away = change(&administrator, "active", |wanted| wanted.active = false);
    assert_eq!(reason(update(&signer, &manager, &away).await), denied("ADMINISTRATOR_NOT_HELD"));
    let raise = change(&below, "administrator", |wanted| wanted.administrator = true);
    assert_eq!(reason(update(&signer, &manager, &raise).await), denied("ADMINISTRATOR_NOT_HELD"));
    assert_eq!(update(&signer, &administrator, &rename).await.unwrap().display_name, "x");
}

#[tokio::test]
async fn staff_of_a_branch_make_no_program_that_sees_everything() {
    let house = House::open("standing_made_program").await;
    let tenant = house.tenant().await;
    let held = [Right::PrincipalsManage, Right::StaffManage, Right::StaffRead];
    let manager = made(&house.at(tenant), member("田中", &held)).await;
    let app = Signer::new(&house, tenant, &held).await;
    app.known(&manager).await;
    let request = CreatePrincipalRequest {
        display_name: "door".to_owned(),
        rights: vec![Right::StaffManage.into()],
        ..CreatePrincipalRequest::default()
    };
    let outcome = app.caller.principals().create_principal(app.acting(&manager, request)).await;
    assert_eq!(reason(outcome), denied("ADMINISTRATOR_NOT_HELD"));
}
