//! `StaffAccountService`: shares in staff accounts of the operator's.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::identity::v1::staff_account_service_server::StaffAccountService;
use contracts::identity::v1::{
    EndStaffAccountShareRequest, EndStaffAccountShareResponse, GetStaffAccountShareRequest,
    GetStaffAccountShareResponse, LeaveStaffAccountShareRequest, LeaveStaffAccountShareResponse,
    SetStaffAccountShareRequest, SetStaffAccountShareResponse, StaffAccountShare as WireShare,
    StaffAccountShareState as WireState, UseStaffAccountShareRequest, UseStaffAccountShareResponse,
};
use identity_linking_core::account::{AccountPurpose, AccountState};
use identity_linking_core::staff::{PushLimit, ShareState, StaffShare};
use kernel::{AccountId, TenantId};
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::refusal::Refusal;
use crate::postgres::staff_account_share::StoredShare;
use crate::postgres::{account, staff_account_share, tenant};
use crate::registry::Registry;
use crate::replica;
use crate::staffing::share;

/// Shares in staff accounts of the operator's.
pub(crate) struct StaffAccounts(pub(crate) Registry);

#[tonic::async_trait]
impl StaffAccountService for StaffAccounts {
    async fn set_staff_account_share(
        &self,
        request: Request<SetStaffAccountShareRequest>,
    ) -> Result<Response<SetStaffAccountShareResponse>, Status> {
        Ok(Response::new(SetStaffAccountShareResponse { share: Some(set(&self.0, request).await?) }))
    }

    async fn end_staff_account_share(
        &self,
        request: Request<EndStaffAccountShareRequest>,
    ) -> Result<Response<EndStaffAccountShareResponse>, Status> {
        let share = turn(&self.0, &Caller::of(&request), Turn::End).await?;
        Ok(Response::new(EndStaffAccountShareResponse { share: Some(share) }))
    }

    async fn get_staff_account_share(
        &self,
        request: Request<GetStaffAccountShareRequest>,
    ) -> Result<Response<GetStaffAccountShareResponse>, Status> {
        Ok(Response::new(GetStaffAccountShareResponse { share: Some(get(&self.0, &Caller::of(&request)).await?) }))
    }

    async fn use_staff_account_share(
        &self,
        request: Request<UseStaffAccountShareRequest>,
    ) -> Result<Response<UseStaffAccountShareResponse>, Status> {
        let share = turn(&self.0, &Caller::of(&request), Turn::Use).await?;
        Ok(Response::new(UseStaffAccountShareResponse { share: Some(share) }))
    }

    async fn leave_staff_account_share(
        &self,
        request: Request<LeaveStaffAccountShareRequest>,
    ) -> Result<Response<LeaveStaffAccountShareResponse>, Status> {
        let share = turn(&self.0, &Caller::of(&request), Turn::Leave).await?;
        Ok(Response::new(LeaveStaffAccountShareResponse { share: Some(share) }))
    }
}

fn wire_state(state: ShareState) -> WireState {
    WireState::from_str_name(&format!("STAFF_ACCOUNT_SHARE_STATE_{}", state.as_str())).unwrap_or_default()
}

fn missing() -> Refusal {
    refuse::not_found("STAFF_ACCOUNT_SHARE").into()
}

/// The share, with what its tenant is told of the account; of one that was taken back nothing more.
async fn tell(tx: &mut TenantTx, share: &StaffShare) -> Result<WireShare, Refusal> {
    let guest = tx.tenant();
    tx.turn_to(share.home).await?;
    let found = account::find(tx, share.account).await;
    tx.turn_to(guest).await?;
    let found = found?.map(|found| found.stored.value).filter(|_| share.state != ShareState::Ended);
    Ok(WireShare {
        account_id: share.account.to_string(),
        home_tenant_id: share.home.to_string(),
        state: wire_state(share.state).into(),
        monthly_push_limit: share.push_limit.number(),
        account_display_name: replica::text(found.as_ref().and_then(|account| account.display_name.as_ref())),
        account_basic_id: replica::text(found.as_ref().and_then(|account| account.basic_id.as_ref())),
        account_connected: found.is_some_and(|account| account.state == AccountState::Connected),
    })
}

async fn set(registry: &Registry, request: Request<SetStaffAccountShareRequest>) -> Result<WireShare, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let home: Option<TenantId> = fields.id("home_tenant_id", &request.get_ref().home_tenant_id);
    if home == Some(caller.tenant()) {
        fields.wrong("home_tenant_id", "is the tenant of the call, whose own account needs no share");
    }
    let id: Option<AccountId> = fields.id("account_id", &request.get_ref().account_id);
    let limit = fields.take("monthly_push_limit", PushLimit::new(request.get_ref().monthly_push_limit));
    let (home, id, limit) = fields.all(|| Some((home?, id?, limit?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let guest = tx.tenant();
    tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    tx.turn_to(home).await?;
    // Locked, so that it is one for several tenants still when the share is given.
    let account = account::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    if account.stored.value.purpose != AccountPurpose::SharedStaff {
        let message = "the account is not for the staff of several tenants";
        return Err(refuse::precondition("ACCOUNT_NOT_SHARED", message).into());
    }
    let code = share::code(&mut tx, id, guest).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.turn_to(guest).await?;
    let before = staff_account_share::lock(&mut tx).await?;
    let value = StaffShare::given(before.as_ref().map(|before| &before.value), (home, id), code, limit)?;
    if before.as_ref().map(|before| &before.value) != Some(&value) {
        let actor = Actor::of(&caller);
        share::put(&mut tx, registry.now(), &actor, "staff_account_share.set", before, value.clone()).await?;
    }
    let told = tell(&mut tx, &value).await?;
    tx.commit().await?;
    Ok(told)
}

async fn get(registry: &Registry, caller: &Caller) -> Result<WireShare, Refusal> {
    let mut tx = registry.tenant_of(caller).await?;
    let StoredShare { value, .. } = staff_account_share::find(&mut tx).await?.ok_or_else(missing)?;
    tell(&mut tx, &value).await
}

/// What may be done with a share that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Use,
    Leave,
    End,
}

async fn turn(registry: &Registry, caller: &Caller, turn: Turn) -> Result<WireShare, Refusal> {
    let mut tx = registry.tenant_of(caller).await?;
    let before = staff_account_share::lock(&mut tx).await?.ok_or_else(missing)?;
    let (action, after) = match turn {
        Turn::Use => ("staff_account_share.use", before.value.clone().turned(true)),
        Turn::Leave => ("staff_account_share.leave", before.value.clone().turned(false)),
        Turn::End => ("staff_account_share.end", Some(before.value.clone().ended())),
    };
    let value = after.ok_or_else(missing)?;
    if value != before.value {
        if turn == Turn::Use && account::has_staff_account(&mut tx).await? {
            return Err(refuse::already_exists("STAFF_ACCOUNT_TAKEN").into());
        }
        let now = registry.now();
        if before.value.state == ShareState::Used {
            share::release(&mut tx, now, &value).await?;
        }
        share::put(&mut tx, now, &Actor::of(caller), action, Some(before), value.clone()).await?;
    }
    let told = tell(&mut tx, &value).await?;
    tx.commit().await?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_states() {
        assert!(ShareState::ALL.iter().all(|one| wire_state(*one) != WireState::Unspecified));
    }
}
