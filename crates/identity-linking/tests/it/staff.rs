//! Organizations and staff over gRPC.

use contracts::access_proto::v1::Right;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::Code;

use crate::house::{Caller, House};
use crate::refused::{fields, reason};

async fn organization(caller: &Caller, name: &str, reference: &str) -> Organization {
    let organization = Organization {
        display_name: name.to_owned(),
        external_reference: reference.to_owned(),
        ..Organization::default()
    };
    let request = CreateOrganizationRequest { organization: Some(organization), request_id: String::new() };
    caller.staff().create_organization(request).await.unwrap().into_inner().organization.unwrap()
}

fn member(name: &str, rights: &[Right]) -> CreateStaffMemberRequest {
    CreateStaffMemberRequest {
        staff_member: Some(StaffMember {
            display_name: name.to_owned(),
            rights: rights.iter().map(|right| i32::from(*right)).collect(),
            active: true,
            ..StaffMember::default()
        }),
        request_id: String::new(),
    }
}

#[tokio::test]
async fn organizations_are_created_read_listed_and_changed() {
    let house = House::open("organization").await;
    let at = house.at(house.tenant().await);
    let created = organization(&at, "渋谷店", "S-1").await;
    let get = GetOrganizationRequest { organization_id: created.organization_id.clone() };
    assert_eq!(at.staff().get_organization(get).await.unwrap().into_inner().organization.unwrap(), created);
    organization(&at, "新宿店", "").await;
    organization(&at, "池袋店", "").await;
    let list = |page_token: String| ListOrganizationsRequest { page_size: 2, page_token };
    let first = at.staff().list_organizations(list(String::new())).await.unwrap().into_inner();
    let rest = at.staff().list_organizations(list(first.next_page_token)).await.unwrap().into_inner();
    let names: Vec<&str> = first
        .organizations
        .iter()
        .chain(&rest.organizations)
        .map(|organization| organization.display_name.as_str())
        .collect();
    assert_eq!(names, ["渋谷店", "新宿店", "池袋店"]);

    let wanted = Organization { display_name: "渋谷本店".to_owned(), ..created.clone() };
    let mask = |path: &str| Some(FieldMask { paths: vec![path.to_owned()] });
    let request = UpdateOrganizationRequest { organization: Some(wanted), update_mask: mask("display_name") };
    let changed = at.staff().update_organization(request.clone()).await.unwrap().into_inner().organization.unwrap();
    assert_eq!((changed.display_name.as_str(), changed.external_reference.as_str()), ("渋谷本店", "S-1"));
    assert_eq!(reason(at.staff().update_organization(request).await), (Code::Aborted, "ETAG_MISMATCH".to_owned()));
    let cleared = Organization { organization_id: created.organization_id, ..Organization::default() };
    let request = UpdateOrganizationRequest { organization: Some(cleared), update_mask: mask("external_reference") };
    let cleared = at.staff().update_organization(request).await.unwrap().into_inner().organization.unwrap();
    assert_eq!((cleared.display_name.as_str(), cleared.external_reference.as_str()), ("渋谷本店", ""));
}

#[tokio::test]
async fn an_external_reference_is_taken_once_and_wrong_fields_are_named() {
    let house = House::open("organization_taken").await;
    let at = house.at(house.tenant().await);
    organization(&at, "A", "S-1").await;
    let again = CreateOrganizationRequest {
        organization: Some(Organization {
            display_name: "B".to_owned(),
            external_reference: "S-1".to_owned(),
            ..Organization::default()
        }),
        request_id: String::new(),
    };
    assert_eq!(
        reason(at.staff().create_organization(again).await),
        (Code::AlreadyExists, "EXTERNAL_REFERENCE_TAKEN".to_owned())
    );
    let wrong = CreateOrganizationRequest {
        organization: Some(Organization {
            display_name: "a\nb".to_owned(),
            external_reference: "x".repeat(201),
            ..Organization::default()
        }),
        request_id: String::new(),
    };
    assert_eq!(
        fields(at.staff().create_organization(wrong).await),
        ["organization.display_name", "organization.external_reference"]
    );
    let wrong = CreateStaffMemberRequest {
        staff_member: Some(StaffMember {
            organization_ids: vec!["x".to_owned()],
            rights: vec![0, 99],
            external_reference: "x".repeat(201),
            ..StaffMember::default()
        }),
        request_id: String::new(),
    };
    assert_eq!(
        fields(at.staff().create_staff_member(wrong).await),
        [
            "staff_member.display_name",
            "staff_member.organization_ids",
            "staff_member.rights",
            "staff_member.external_reference"
        ]
    );
}

#[tokio::test]
async fn staff_work_in_organizations_and_are_told_with_every_change() {
    let house = House::open("staff").await;
    let tenant = house.tenant().await;
    let at = house.at(tenant);
    let branch = organization(&at, "渋谷店", "").await.organization_id;
    let mut request = member("佐藤", &[Right::MessagesSend]);
    request.request_id = uuid::Uuid::new_v4().to_string();
    request.staff_member.as_mut().unwrap().organization_ids = vec![branch.clone()];
    let created = at.staff().create_staff_member(request.clone()).await.unwrap().into_inner();
    assert_eq!(at.staff().create_staff_member(request).await.unwrap().into_inner(), created);
    let created = created.staff_member.unwrap();
    assert_eq!((created.organization_ids.clone(), created.active), (vec![branch], true));
    let get = GetStaffMemberRequest { staff_id: created.staff_id.clone() };
    assert_eq!(at.staff().get_staff_member(get).await.unwrap().into_inner().staff_member.unwrap(), created);

    let wanted = StaffMember { staff_id: created.staff_id.clone(), ..StaffMember::default() };
    let mask = Some(FieldMask { paths: vec!["active".to_owned(), "organization_ids".to_owned()] });
    let request = UpdateStaffMemberRequest { staff_member: Some(wanted), update_mask: mask };
    let changed = at.staff().update_staff_member(request).await.unwrap().into_inner().staff_member.unwrap();
    assert!(!changed.active && changed.organization_ids.is_empty() && changed.rights == created.rights);
    let told: Vec<(i64, bool)> = house
        .told(Some(tenant))
        .await
        .into_iter()
        .filter_map(|body| if let Body::Staff(staff) = body { Some((staff.version, staff.active)) } else { None })
        .collect();
    assert_eq!(told, [(1, true), (2, false)]);
    let own: (i64, bool) = sqlx::query_as("SELECT version, active FROM identity.staff_replica WHERE tenant_id = $1")
        .bind(tenant.uuid())
        .fetch_one(&house.admin().await)
        .await
        .unwrap();
    assert_eq!(own, (2, false));
    let all = at.staff().list_staff_members(ListStaffMembersRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.staff_members, [changed]);
}

#[tokio::test]
async fn the_right_to_see_line_user_ids_is_given_by_a_master_only() {
    let house = House::open("staff_master").await;
    let tenant = house.tenant().await;
    let manager = house.program(tenant, &[Right::StaffManage, Right::StaffRead, Right::LineUserIdRead]).await;
    let wanted = member("鈴木", &[Right::LineUserIdRead]);
    assert_eq!(
        reason(manager.staff().create_staff_member(wanted.clone()).await),
        (Code::PermissionDenied, "RIGHT_NEEDS_MASTER".to_owned())
    );
    assert_eq!(
        reason(manager.staff().create_staff_member(member("鈴木", &[Right::MessagesSend])).await),
        (Code::PermissionDenied, "RIGHT_NOT_HELD".to_owned())
    );
    assert_eq!(
        fields(house.at(tenant).staff().create_staff_member(member("鈴木", &[Right::TenantsManage])).await),
        ["rights"]
    );
    let master = house.program(tenant, &[Right::StaffManage, Right::LineUserIdRead, Right::Master]).await;
    let created = master.staff().create_staff_member(wanted).await.unwrap().into_inner().staff_member.unwrap();
    let taken = UpdateStaffMemberRequest {
        staff_member: Some(StaffMember { staff_id: created.staff_id, ..StaffMember::default() }),
        update_mask: Some(FieldMask { paths: vec!["rights".to_owned()] }),
    };
    assert_eq!(
        reason(manager.staff().update_staff_member(taken.clone()).await),
        (Code::PermissionDenied, "RIGHT_NEEDS_MASTER".to_owned())
    );
    assert!(master.staff().update_staff_member(taken).await.is_ok());
}
