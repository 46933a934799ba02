//! A tenant whose account is for its staff.

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountPurpose, StaffContactReplica};
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::Status;

use crate::house::House;
use crate::linking::stage::Stage;

/// The change of an account's purpose.
pub(super) fn purpose(account: &str, purpose: i32) -> UpdateOfficialAccountRequest {
    UpdateOfficialAccountRequest {
        account: Some(OfficialAccount { account_id: account.to_owned(), purpose, ..OfficialAccount::default() }),
        update_mask: Some(FieldMask { paths: vec!["purpose".to_owned()] }),
    }
}

/// Changes whom an account is for.
pub(super) async fn put_purpose(
    stage: &Stage,
    account: &str,
    wanted: AccountPurpose,
) -> Result<OfficialAccount, Status> {
    let changed = stage.at().accounts().update_official_account(purpose(account, wanted.into())).await?;
    Ok(changed.into_inner().account.unwrap())
}

/// A stage whose account is for staff.
pub(super) async fn open(hint: &str) -> Stage {
    in_house(House::open(hint).await).await
}

pub(super) async fn in_house(house: House) -> Stage {
    let stage = Stage::in_house(house).await;
    put_purpose(&stage, &stage.account.to_string(), AccountPurpose::Staff).await.unwrap();
    stage
}

/// An active staff member.
pub(super) async fn member(stage: &Stage, name: &str) -> StaffMember {
    let staff_member = StaffMember { display_name: name.to_owned(), active: true, ..StaffMember::default() };
    let request = CreateStaffMemberRequest { staff_member: Some(staff_member), request_id: String::new() };
    stage.at().staff().create_staff_member(request).await.unwrap().into_inner().staff_member.unwrap()
}

/// Changes the named fields of a staff member.
pub(super) async fn change(stage: &Stage, wanted: StaffMember, paths: &[&str]) -> Result<StaffMember, Status> {
    let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
    let request = UpdateStaffMemberRequest { staff_member: Some(wanted), update_mask: Some(mask) };
    Ok(stage.at().staff().update_staff_member(request).await?.into_inner().staff_member.unwrap())
}

/// What was told of how a member is reached, in its order.
pub(super) async fn contacts(stage: &Stage, staff_id: &str) -> Vec<StaffContactReplica> {
    let told = stage.house.told(Some(stage.tenant)).await.into_iter();
    let contacts = told.filter_map(|body| if let Body::StaffContact(one) = body { Some(one) } else { None });
    contacts.filter(|one| one.staff_id == staff_id).collect()
}
