//! `StaffService`: staff here, organizations in their own module.

use std::collections::BTreeSet;

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::staff_service_server::StaffService;
use contracts::identity::v1::{
    CreateOrganizationRequest, CreateOrganizationResponse, CreateStaffInvitationRequest, CreateStaffInvitationResponse,
    CreateStaffMemberRequest, CreateStaffMemberResponse, GetOrganizationRequest, GetOrganizationResponse,
    GetStaffMemberRequest, GetStaffMemberResponse, ListOrganizationsRequest, ListOrganizationsResponse,
    ListStaffInvitationsRequest, ListStaffInvitationsResponse, ListStaffMembersRequest, ListStaffMembersResponse,
    RevokeStaffInvitationRequest, RevokeStaffInvitationResponse, StaffLineState, StaffMember as WireStaff,
    UnbindStaffLineRequest, UnbindStaffLineResponse, UpdateOrganizationRequest, UpdateOrganizationResponse,
    UpdateStaffMemberRequest, UpdateStaffMemberResponse,
};
use identity_linking_core::staff::EmailAddress;
use identity_linking_core::{Line, MAX_ORGANIZATIONS, StaffMember, Standing};
use kernel::{OrganizationId, StaffId};
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use super::{etag, granter, organization, repeat, staff_invitation};
use crate::change::{self, Subject};
use crate::postgres::staff::StoredStaff;
use crate::postgres::staff_contact::{self, StoredContact};
use crate::postgres::{Stored, staff};
use crate::registry::Registry;
use crate::staffing::{contact, invitation};
use crate::{replica, right};

const CREATE: &str = "/tsunagi.identity.v1.StaffService/CreateStaffMember";
const CHANGEABLE: &[&str] =
    &["display_name", "organization_ids", "rights", "administrator", "active", "external_reference", "email_address"];

/// The tenant's organizations, and the people who work in them.
pub(crate) struct StaffAndOrganizations(pub(crate) Registry);

#[tonic::async_trait]
impl StaffService for StaffAndOrganizations {
    async fn create_organization(
        &self,
        request: Request<CreateOrganizationRequest>,
    ) -> Result<Response<CreateOrganizationResponse>, Status> {
        Ok(Response::new(organization::create(&self.0, request).await?))
    }

    async fn get_organization(
        &self,
        request: Request<GetOrganizationRequest>,
    ) -> Result<Response<GetOrganizationResponse>, Status> {
        Ok(Response::new(organization::get(&self.0, request).await?))
    }

    async fn list_organizations(
        &self,
        request: Request<ListOrganizationsRequest>,
    ) -> Result<Response<ListOrganizationsResponse>, Status> {
        Ok(Response::new(organization::list(&self.0, request).await?))
    }

    async fn update_organization(
        &self,
        request: Request<UpdateOrganizationRequest>,
    ) -> Result<Response<UpdateOrganizationResponse>, Status> {
        Ok(Response::new(organization::update(&self.0, request).await?))
    }

    async fn create_staff_member(
        &self,
        request: Request<CreateStaffMemberRequest>,
    ) -> Result<Response<CreateStaffMemberResponse>, Status> {
        Ok(Response::new(create(&self.0, request).await?))
    }

    async fn get_staff_member(
        &self,
        request: Request<GetStaffMemberRequest>,
    ) -> Result<Response<GetStaffMemberResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn list_staff_members(
        &self,
        request: Request<ListStaffMembersRequest>,
    ) -> Result<Response<ListStaffMembersResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn update_staff_member(
        &self,
        request: Request<UpdateStaffMemberRequest>,
    ) -> Result<Response<UpdateStaffMemberResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }

    async fn create_staff_invitation(
        &self,
        request: Request<CreateStaffInvitationRequest>,
    ) -> Result<Response<CreateStaffInvitationResponse>, Status> {
        Ok(Response::new(staff_invitation::create(&self.0, request).await?))
    }

    async fn list_staff_invitations(
        &self,
        request: Request<ListStaffInvitationsRequest>,
    ) -> Result<Response<ListStaffInvitationsResponse>, Status> {
        Ok(Response::new(staff_invitation::list(&self.0, request).await?))
    }

    async fn revoke_staff_invitation(
        &self,
        request: Request<RevokeStaffInvitationRequest>,
    ) -> Result<Response<RevokeStaffInvitationResponse>, Status> {
        Ok(Response::new(staff_invitation::revoke(&self.0, request).await?))
    }

    async fn unbind_staff_line(
        &self,
        request: Request<UnbindStaffLineRequest>,
    ) -> Result<Response<UnbindStaffLineResponse>, Status> {
        Ok(Response::new(staff_invitation::unbind(&self.0, request).await?))
    }
}

fn line_state(contact: Option<&StoredContact>) -> StaffLineState {
    match contact.and_then(|contact| contact.line.as_ref()) {
        None => StaffLineState::NotBound,
        Some(line) if line.is_blocked => StaffLineState::Blocked,
        Some(_) => StaffLineState::Bound,
    }
}

pub(super) fn tell(staff: &StoredStaff, contact: Option<&StoredContact>) -> WireStaff {
    WireStaff {
        staff_id: staff.id.to_string(),
        display_name: staff.value.display_name.as_str().to_owned(),
        organization_ids: staff.value.organizations.iter().map(ToString::to_string).collect(),
        rights: right::wires(&staff.value.rights),
        administrator: staff.value.administrator,
        active: staff.value.active,
        external_reference: replica::text(staff.value.external_reference.as_ref()),
        etag: etag::of(staff.version),
        email_address: staff.value.email_address.as_ref().map(EmailAddress::as_str).unwrap_or_default().to_owned(),
        line_state: line_state(contact).into(),
    }
}

pub(super) fn subject(staff: &StoredStaff) -> Subject {
    Subject { kind: "staff", id: staff.id.uuid(), version: staff.version }
}

fn organizations(fields: &mut Fields, ids: &[String]) -> Option<BTreeSet<OrganizationId>> {
    const FIELD: &str = "staff_member.organization_ids";
    if ids.len() > MAX_ORGANIZATIONS {
        fields.wrong(FIELD, "are more than 200");
        return None;
    }
    fields.take(FIELD, ids.iter().map(|id| id.parse().map_err(|_| "hold one that is not a UUID")).collect())
}

async fn create(
    registry: &Registry,
    request: Request<CreateStaffMemberRequest>,
) -> Result<CreateStaffMemberResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.staff_member.clone().unwrap_or_default();
    let mut fields = Fields::new();
    let display_name = fields.take("staff_member.display_name", Line::parse(&wanted.display_name));
    let organizations = organizations(&mut fields, &wanted.organization_ids);
    let rights = granter::rights(&mut fields, "staff_member.rights", &wanted.rights);
    let reference = fields.take("staff_member.external_reference", Line::optional(&wanted.external_reference));
    let email = fields.take("staff_member.email_address", EmailAddress::optional(&wanted.email_address));
    let value = fields.all(|| {
        Some(StaffMember {
            display_name: display_name?,
            organizations: organizations?,
            rights: rights?,
            administrator: wanted.administrator,
            active: wanted.active,
            external_reference: reference?,
            email_address: email?,
        })
    })?;
    granter::of(&caller).may_change(&Standing::default(), &value.standing())?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let stored = Stored { id: StaffId::new(now), version: 1, create_time: now, value };
    staff::insert(&mut tx, &stored).await?;
    let body = Body::Staff(replica::staff(&stored));
    change::record(&mut tx, &Actor::of(&caller), "staff.create", subject(&stored), now, body).await?;
    contact::follow(&mut tx, now, None, &stored).await?;
    let answer = CreateStaffMemberResponse { staff_member: Some(tell(&stored, None)) };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn get(registry: &Registry, request: Request<GetStaffMemberRequest>) -> Result<GetStaffMemberResponse, Refusal> {
    let mut fields = Fields::new();
    let id = fields.id("staff_id", &request.get_ref().staff_id);
    let id = fields.all(|| id)?;
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    let stored = staff::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("STAFF_MEMBER"))?;
    let contact = staff_contact::find(&mut tx, id).await?;
    Ok(GetStaffMemberResponse { staff_member: Some(tell(&stored, Some(&contact))) })
}

async fn list(
    registry: &Registry,
    request: Request<ListStaffMembersRequest>,
) -> Result<ListStaffMembersResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let rows = staff::list(&mut tx, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.create_time, last.id.uuid()));
    let ids: Vec<StaffId> = rows.iter().map(|row| row.id).collect();
    let contacts = staff_contact::of(&mut tx, &ids).await?;
    let staff_members = rows.iter().map(|row| tell(row, contacts.get(&row.id))).collect();
    Ok(ListStaffMembersResponse { staff_members, next_page_token })
}

async fn update(
    registry: &Registry,
    request: Request<UpdateStaffMemberRequest>,
) -> Result<UpdateStaffMemberResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.staff_member.unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.id("staff_member.staff_id", &wanted.staff_id);
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let display_name = mask
        .covers("display_name", !wanted.display_name.is_empty())
        .then(|| fields.take("staff_member.display_name", Line::parse(&wanted.display_name)));
    let organizations = mask
        .covers("organization_ids", !wanted.organization_ids.is_empty())
        .then(|| organizations(&mut fields, &wanted.organization_ids));
    let rights = mask
        .covers("rights", !wanted.rights.is_empty())
        .then(|| granter::rights(&mut fields, "staff_member.rights", &wanted.rights));
    let reference = mask
        .covers("external_reference", !wanted.external_reference.is_empty())
        .then(|| fields.take("staff_member.external_reference", Line::optional(&wanted.external_reference)));
    let email = mask
        .covers("email_address", !wanted.email_address.is_empty())
        .then(|| fields.take("staff_member.email_address", EmailAddress::optional(&wanted.email_address)));
    let administrator = mask.covers("administrator", wanted.administrator).then_some(wanted.administrator);
    let active = mask.covers("active", wanted.active).then_some(wanted.active);
    let id = fields.all(|| id)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let stored = staff::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("STAFF_MEMBER"))?;
    etag::check(&wanted.etag, stored.version)?;
    let before = stored.value.clone();
    let value = StaffMember {
        display_name: display_name.flatten().unwrap_or(before.display_name),
        organizations: organizations.flatten().unwrap_or(before.organizations),
        rights: rights.flatten().unwrap_or(before.rights),
        administrator: administrator.unwrap_or(before.administrator),
        active: active.unwrap_or(before.active),
        external_reference: reference.flatten().unwrap_or(before.external_reference),
        email_address: email.flatten().unwrap_or(before.email_address),
    };
    granter::of(&caller).may_change(&stored.value.standing(), &value.standing())?;
    if value == stored.value {
        let contact = staff_contact::find(&mut tx, id).await?;
        return Ok(UpdateStaffMemberResponse { staff_member: Some(tell(&stored, Some(&contact))) });
    }
    let before = stored.clone();
    let stored = stored.changed(value);
    staff::update(&mut tx, &stored).await?;
    let body = Body::Staff(replica::staff(&stored));
    change::record(&mut tx, &Actor::of(&caller), "staff.update", subject(&stored), now, body).await?;
    contact::follow(&mut tx, now, Some(&before), &stored).await?;
    if !stored.value.active {
        invitation::revoke_open(&mut tx, now, &stored).await?;
    }
    let contact = staff_contact::find(&mut tx, id).await?;
    tx.commit().await?;
    Ok(UpdateStaffMemberResponse { staff_member: Some(tell(&stored, Some(&contact))) })
}
