//! The organizations of `StaffService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::{
    CreateOrganizationRequest, CreateOrganizationResponse, GetOrganizationRequest, GetOrganizationResponse,
    ListOrganizationsRequest, ListOrganizationsResponse, Organization as WireOrganization, UpdateOrganizationRequest,
    UpdateOrganizationResponse,
};
use identity_linking_core::{Line, Organization};
use kernel::OrganizationId;
use tonic::Request;

use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use super::{etag, repeat};
use crate::change::{self, Subject};
use crate::postgres::{Stored, organization};
use crate::registry::Registry;
use crate::replica;

const CREATE: &str = "/tsunagi.identity.v1.StaffService/CreateOrganization";

type StoredOrganization = Stored<OrganizationId, Organization>;

fn tell(organization: &StoredOrganization) -> WireOrganization {
    WireOrganization {
        organization_id: organization.id.to_string(),
        display_name: organization.value.display_name.as_str().to_owned(),
        external_reference: replica::text(organization.value.external_reference.as_ref()),
        etag: etag::of(organization.version),
    }
}

fn subject(organization: &StoredOrganization) -> Subject {
    Subject { kind: "organization", id: organization.id.uuid(), version: organization.version }
}

pub(super) async fn create(
    registry: &Registry,
    request: Request<CreateOrganizationRequest>,
) -> Result<CreateOrganizationResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.organization.clone().unwrap_or_default();
    let mut fields = Fields::new();
    let display_name = fields.take("organization.display_name", Line::parse(&wanted.display_name));
    let reference = fields.take("organization.external_reference", Line::optional(&wanted.external_reference));
    let value = fields.all(|| Some(Organization { display_name: display_name?, external_reference: reference? }))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let stored = Stored { id: OrganizationId::new(now), version: 1, create_time: now, value };
    organization::insert(&mut tx, &stored).await?;
    let body = Body::Organization(replica::organization(&stored));
    change::record(&mut tx, &Actor::of(&caller), "organization.create", subject(&stored), now, body).await?;
    let answer = CreateOrganizationResponse { organization: Some(tell(&stored)) };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

pub(super) async fn get(
    registry: &Registry,
    request: Request<GetOrganizationRequest>,
) -> Result<GetOrganizationResponse, Refusal> {
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    let mut fields = Fields::new();
    let id = fields.id("organization_id", &request.get_ref().organization_id);
    let id = fields.all(|| id)?;
    let stored = organization::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ORGANIZATION"))?;
    Ok(GetOrganizationResponse { organization: Some(tell(&stored)) })
}

pub(super) async fn list(
    registry: &Registry,
    request: Request<ListOrganizationsRequest>,
) -> Result<ListOrganizationsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let rows = organization::list(&mut tx, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.create_time, last.id.uuid()));
    Ok(ListOrganizationsResponse { organizations: rows.iter().map(tell).collect(), next_page_token })
}

pub(super) async fn update(
    registry: &Registry,
    request: Request<UpdateOrganizationRequest>,
) -> Result<UpdateOrganizationResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.organization.unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.id("organization.organization_id", &wanted.organization_id);
    let mask = Mask::read(&mut fields, request.update_mask, &["display_name", "external_reference"]);
    let display_name = mask
        .covers("display_name", !wanted.display_name.is_empty())
        .then(|| fields.take("organization.display_name", Line::parse(&wanted.display_name)));
    let reference = mask
        .covers("external_reference", !wanted.external_reference.is_empty())
        .then(|| fields.take("organization.external_reference", Line::optional(&wanted.external_reference)));
    let id = fields.all(|| id)?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let stored = organization::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("ORGANIZATION"))?;
    etag::check(&wanted.etag, stored.version)?;
    let value = Organization {
        display_name: display_name.flatten().unwrap_or_else(|| stored.value.display_name.clone()),
        external_reference: reference.flatten().unwrap_or_else(|| stored.value.external_reference.clone()),
    };
    if value == stored.value {
        return Ok(UpdateOrganizationResponse { organization: Some(tell(&stored)) });
    }
    let stored = stored.changed(value);
    organization::update(&mut tx, &stored).await?;
    let body = Body::Organization(replica::organization(&stored));
    change::record(&mut tx, &Actor::of(&caller), "organization.update", subject(&stored), now, body).await?;
    tx.commit().await?;
    Ok(UpdateOrganizationResponse { organization: Some(tell(&stored)) })
}
