//! Invitations of staff to LINE, and the end of a binding.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::identity::v1::{
    CreateStaffInvitationRequest, CreateStaffInvitationResponse, ListStaffInvitationsRequest,
    ListStaffInvitationsResponse, RevokeStaffInvitationRequest, RevokeStaffInvitationResponse,
    StaffInvitation as WireInvitation, StaffInvitationState as WireState, UnbindStaffLineRequest,
    UnbindStaffLineResponse,
};
use contracts::timestamp;
use identity_linking_core::staff::{Invitation, InvitationCode, InvitationState, ShareState, WrittenCode};
use kernel::{StaffId, StaffInvitationId, Timestamp};
use serde_json::json;
use tonic::Request;

use super::fields::Fields;
use super::refusal::Refusal;
use super::staff::{subject, tell as tell_member};
use super::{granter, repeat};
use crate::change;
use crate::postgres::staff::StoredStaff;
use crate::postgres::staff_invitation::StoredInvitation;
use crate::postgres::{staff, staff_account_share, staff_contact, staff_invitation};
use crate::registry::Registry;
use crate::staffing::invitation;

const CREATE: &str = "/tsunagi.identity.v1.StaffService/CreateStaffInvitation";

fn wire_state(state: InvitationState) -> WireState {
    WireState::from_str_name(&format!("STAFF_INVITATION_STATE_{}", state.as_str())).unwrap_or_default()
}

fn tell(stored: &StoredInvitation, now: Timestamp) -> WireInvitation {
    WireInvitation {
        staff_invitation_id: stored.id.to_string(),
        staff_id: stored.value.staff.to_string(),
        state: wire_state(stored.value.state(now)).into(),
        create_time: Some(timestamp(stored.create_time)),
        expire_time: Some(timestamp(stored.value.expire_time)),
        use_time: stored.value.use_time.map(timestamp),
        revoke_time: stored.value.revoke_time.map(timestamp),
    }
}

/// A staff member whom the caller may change, locked. Who is reached where is changed by the same rules as the member (F-80).
async fn changeable(tx: &mut TenantTx, caller: &Caller, id: StaffId) -> Result<StoredStaff, Refusal> {
    let member = staff::lock(tx, id).await?.ok_or_else(|| refuse::not_found("STAFF_MEMBER"))?;
    let standing = member.value.standing();
    granter::of(caller).may_change(&standing, &standing)?;
    Ok(member)
}

pub(super) async fn create(
    registry: &Registry,
    request: Request<CreateStaffInvitationRequest>,
) -> Result<CreateStaffInvitationResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.id("staff_id", &request.staff_id);
    let id = fields.all(|| id)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let member = changeable(&mut tx, &caller, id).await?;
    if !member.value.active {
        return Err(refuse::precondition("STAFF_NOT_ACTIVE", "the staff member is not active").into());
    }
    invitation::revoke_open(&mut tx, now, &member).await?;
    let code = InvitationCode::of(rand::random());
    let stored = StoredInvitation { id: StaffInvitationId::new(now), create_time: now, value: Invitation::of(id, now) };
    staff_invitation::insert(&mut tx, &stored, &code).await?;
    let detail = json!({ "invitation": stored.id.to_string() });
    change::note(&mut tx, &Actor::of(&caller), "staff.invite", subject(&member), detail).await?;
    let share = staff_account_share::find(&mut tx).await?.map(|share| share.value);
    let share = share.filter(|share| share.state == ShareState::Used).map(|share| share.code);
    let answer = CreateStaffInvitationResponse { staff_invitation: Some(tell(&stored, now)), code: String::new() };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(CreateStaffInvitationResponse { code: WrittenCode { share, code }.reveal(), ..answer })
}

pub(super) async fn list(
    registry: &Registry,
    request: Request<ListStaffInvitationsRequest>,
) -> Result<ListStaffInvitationsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let only: Option<Option<StaffId>> = fields.optional_id("staff_id", &request.get_ref().staff_id);
    let (asked, only) = fields.all(|| Some((asked?, only?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(id) = only {
        staff::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("STAFF_MEMBER"))?;
    }
    let now = registry.now();
    let rows = staff_invitation::list(&mut tx, only, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.create_time, last.id.uuid()));
    let staff_invitations = rows.iter().map(|row| tell(row, now)).collect();
    Ok(ListStaffInvitationsResponse { staff_invitations, next_page_token })
}

pub(super) async fn revoke(
    registry: &Registry,
    request: Request<RevokeStaffInvitationRequest>,
) -> Result<RevokeStaffInvitationResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let id: Option<StaffInvitationId> = fields.id("staff_invitation_id", &request.get_ref().staff_invitation_id);
    let id = fields.all(|| id)?;
    let now = registry.now();
    let missing = || refuse::not_found("STAFF_INVITATION");
    let mut tx = registry.tenant_of(&caller).await?;
    let found = staff_invitation::find(&mut tx, id).await?.ok_or_else(missing)?;
    let member = changeable(&mut tx, &caller, found.value.staff).await?;
    // Once more, as it stands under the member's lock.
    let found = staff_invitation::find(&mut tx, id).await?.ok_or_else(missing)?;
    let value = found.value.clone().revoked(now)?;
    let stored = StoredInvitation { value, ..found.clone() };
    if stored.value != found.value {
        staff_invitation::update(&mut tx, &stored).await?;
        let detail = json!({ "invitation": id.to_string() });
        change::note(&mut tx, &Actor::of(&caller), "staff.revoke_invitation", subject(&member), detail).await?;
    }
    tx.commit().await?;
    Ok(RevokeStaffInvitationResponse { staff_invitation: Some(tell(&stored, now)) })
}

pub(super) async fn unbind(
    registry: &Registry,
    request: Request<UnbindStaffLineRequest>,
) -> Result<UnbindStaffLineResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let id = fields.id("staff_id", &request.get_ref().staff_id);
    let id = fields.all(|| id)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let member = changeable(&mut tx, &caller, id).await?;
    invitation::revoke_open(&mut tx, now, &member).await?;
    if invitation::unbind(&mut tx, now, &member).await? {
        change::note(&mut tx, &Actor::of(&caller), "staff.unbind_line", subject(&member), json!({})).await?;
    }
    let contact = staff_contact::find(&mut tx, id).await?;
    tx.commit().await?;
    Ok(UnbindStaffLineResponse { staff_member: Some(tell_member(&member, Some(&contact))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_states() {
        assert!(InvitationState::ALL.iter().all(|one| wire_state(*one) != WireState::Unspecified));
    }
}
