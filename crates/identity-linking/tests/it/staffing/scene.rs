//! A tenant whose account is for its staff.

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountPurpose, StaffContactReplica};
use contracts::identity::v1::*;
use prost_types::FieldMask;
use tonic::Status;

use crate::house::House;
use crate::linking::stage::{Answered, Stage, token_in};

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

/// Invites a member; the code.
pub(super) async fn invite(stage: &Stage, staff_id: &str) -> String {
    let request = CreateStaffInvitationRequest { staff_id: staff_id.to_owned(), request_id: String::new() };
    stage.at().staff().create_staff_invitation(request).await.unwrap().into_inner().code
}

/// A member as told now.
pub(super) async fn read(stage: &Stage, staff_id: &str) -> StaffMember {
    let request = GetStaffMemberRequest { staff_id: staff_id.to_owned() };
    stage.at().staff().get_staff_member(request).await.unwrap().into_inner().staff_member.unwrap()
}

/// A LINE user follows the staff account, and gets a card; the token in it.
pub(super) async fn card(stage: &Stage, user: &str) -> String {
    stage.send(&[stage.event("follow", user, stage.moment(), "")]).await;
    token_in(&stage.answers(user).await.pop().expect("a card"))
}

/// Types a code into the form of a card.
pub(super) async fn types(stage: &Stage, token: &str, code: &str) -> Answered {
    stage.look(token).await.submit(&[("code", code)]).await
}

/// Binds a member to a LINE user, all the way.
pub(super) async fn bound(stage: &Stage, staff_id: &str, user: &str) {
    let code = invite(stage, staff_id).await;
    let nonce = types(stage, &card(stage, user).await, &code).await.nonce();
    stage.send(&[stage.confirmed(user, stage.moment(), &nonce)]).await;
    assert_eq!(read(stage, staff_id).await.line_state(), StaffLineState::Bound);
}

/// What the last answer to a LINE user says.
pub(super) async fn said(stage: &Stage, user: &str) -> String {
    let object = stage.answers(user).await.pop().expect("an answer").line_objects.remove(0);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    object["text"].as_str().unwrap_or_default().to_owned()
}
