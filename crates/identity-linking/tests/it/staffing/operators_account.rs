//! A staff account of the operator's, which serves the staff of several tenants.

mod binding;
mod ending;
mod share;

use contracts::events::v1::identity_event::Body;
use contracts::events::v1::{AccountPurpose, StaffAccountShareReplica, StaffContactReplica};
use contracts::identity::v1::*;
use kernel::TenantId;
use tonic::Status;

use super::scene::{card, put_purpose, types};
use crate::caller::Caller;
use crate::house::House;
use crate::linking::stage::Stage;

/// A stage whose tenant is the operator's own, and whose account serves the staff of others.
async fn open(hint: &str) -> Stage {
    let stage = Stage::in_house(House::open(hint).await).await;
    put_purpose(&stage, &stage.account.to_string(), AccountPurpose::SharedStaff).await.unwrap();
    stage
}

/// Gives a tenant a share in the stage's account, which it does not use yet.
async fn give(stage: &Stage, tenant: TenantId, limit: i32) -> Result<StaffAccountShare, Status> {
    let request = SetStaffAccountShareRequest {
        home_tenant_id: stage.tenant.to_string(),
        account_id: stage.account.to_string(),
        monthly_push_limit: limit,
    };
    let set = stage.house.at(tenant).staff_accounts().set_staff_account_share(request).await?;
    Ok(set.into_inner().share.unwrap())
}

async fn take_into_use(caller: &Caller) -> Result<StaffAccountShare, Status> {
    let used = caller.staff_accounts().use_staff_account_share(UseStaffAccountShareRequest {}).await?;
    Ok(used.into_inner().share.unwrap())
}

async fn leave(caller: &Caller) -> Result<StaffAccountShare, Status> {
    let left = caller.staff_accounts().leave_staff_account_share(LeaveStaffAccountShareRequest {}).await?;
    Ok(left.into_inner().share.unwrap())
}

async fn end(caller: &Caller) -> Result<StaffAccountShare, Status> {
    let ended = caller.staff_accounts().end_staff_account_share(EndStaffAccountShareRequest {}).await?;
    Ok(ended.into_inner().share.unwrap())
}

async fn get(caller: &Caller) -> Result<StaffAccountShare, Status> {
    let found = caller.staff_accounts().get_staff_account_share(GetStaffAccountShareRequest {}).await?;
    Ok(found.into_inner().share.unwrap())
}

/// A tenant that uses its share, and one member of its staff.
struct Guest {
    tenant: TenantId,
    staff: String,
}

impl Guest {
    async fn open(stage: &Stage) -> Self {
        let tenant = stage.house.tenant().await;
        give(stage, tenant, 100).await.unwrap();
        take_into_use(&stage.house.at(tenant)).await.unwrap();
        Self::colleague(stage, tenant).await
    }

    /// One more member of a tenant's staff.
    async fn colleague(stage: &Stage, tenant: TenantId) -> Self {
        let member = StaffMember { display_name: "佐藤".to_owned(), active: true, ..StaffMember::default() };
        let request = CreateStaffMemberRequest { staff_member: Some(member), request_id: String::new() };
        let made = stage.house.at(tenant).staff().create_staff_member(request).await.unwrap().into_inner();
        Self { tenant, staff: made.staff_member.unwrap().staff_id }
    }

    async fn invite(&self, stage: &Stage) -> String {
        let request = CreateStaffInvitationRequest { staff_id: self.staff.clone(), request_id: String::new() };
        stage.house.at(self.tenant).staff().create_staff_invitation(request).await.unwrap().into_inner().code
    }

    async fn state(&self, stage: &Stage) -> StaffLineState {
        let request = GetStaffMemberRequest { staff_id: self.staff.clone() };
        let read = stage.house.at(self.tenant).staff().get_staff_member(request).await.unwrap().into_inner();
        read.staff_member.unwrap().line_state()
    }

    /// What was told of how the member is reached, in its order.
    async fn contacts(&self, stage: &Stage) -> Vec<StaffContactReplica> {
        let told = stage.house.told(Some(self.tenant)).await.into_iter();
        told.filter_map(|body| if let Body::StaffContact(one) = body { Some(one) } else { None }).collect()
    }

    /// The member types the code and confirms as `user`.
    async fn bind(&self, stage: &Stage, user: &str) {
        let code = self.invite(stage).await;
        let nonce = types(stage, &card(stage, user).await, &code).await.nonce();
        stage.send(&[stage.confirmed(user, stage.moment(), &nonce)]).await;
        assert_eq!(self.state(stage).await, StaffLineState::Bound);
    }
}

/// What was told of a tenant's share, in its order.
async fn told_shares(stage: &Stage, tenant: TenantId) -> Vec<StaffAccountShareReplica> {
    let told = stage.house.told(Some(tenant)).await.into_iter();
    told.filter_map(|body| if let Body::StaffAccountShare(one) = body { Some(one) } else { None }).collect()
}
