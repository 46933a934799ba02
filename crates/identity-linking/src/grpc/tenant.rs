//! `TenantService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chrono::NaiveDate;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::tenant_service_server::TenantService;
use contracts::identity::v1::{
    CreateTenantRequest, CreateTenantResponse, GetTenantRequest, GetTenantResponse, ListTenantsRequest,
    ListTenantsResponse, Plan as WirePlan, Tenant as WireTenant, UpdateTenantRequest, UpdateTenantResponse,
};
use contracts::timestamp;
use identity_linking_core::link::{Plan, PlanGate};
use identity_linking_core::{Line, Tenant, TimeZone};
use kernel::TenantId;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use super::{etag, granter, repeat};
use crate::change::{self, Subject};
use crate::postgres::{Position, Stored, tenant};
use crate::registry::Registry;
use crate::replica;
use crate::staffing::share;

const CREATE: &str = "/tsunagi.identity.v1.TenantService/CreateTenant";

const CHANGEABLE: &[&str] = &["display_name", "time_zone", "suspended", "plan", "line_tab_premium_from"];

/// The platform's tenants.
pub(crate) struct Tenants(pub(crate) Registry);

#[tonic::async_trait]
impl TenantService for Tenants {
    async fn create_tenant(
        &self,
        request: Request<CreateTenantRequest>,
    ) -> Result<Response<CreateTenantResponse>, Status> {
        Ok(Response::new(create(&self.0, request).await?))
    }

    async fn get_tenant(&self, request: Request<GetTenantRequest>) -> Result<Response<GetTenantResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn list_tenants(
        &self,
        request: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn update_tenant(
        &self,
        request: Request<UpdateTenantRequest>,
    ) -> Result<Response<UpdateTenantResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }
}

fn tell(tenant: &Stored<TenantId, Tenant>) -> WireTenant {
    WireTenant {
        tenant_id: tenant.id.to_string(),
        display_name: tenant.value.display_name.as_str().to_owned(),
        time_zone: tenant.value.time_zone.name().to_owned(),
        suspended: tenant.value.suspended,
        etag: etag::of(tenant.version),
        create_time: Some(timestamp(tenant.create_time)),
        plan: wire_plan(tenant.value.gate.plan).into(),
        line_tab_premium_from: tenant.value.gate.premium_from.map(|day| day.to_string()).unwrap_or_default(),
    }
}

fn wire_plan(plan: Plan) -> WirePlan {
    match plan {
        Plan::Basic => WirePlan::Basic,
        Plan::Premium => WirePlan::Premium,
    }
}

/// The plan of a number; not stated is basic.
fn read_plan(wire: i32) -> Option<Plan> {
    Some(match WirePlan::try_from(wire).ok()? {
        WirePlan::Unspecified | WirePlan::Basic => Plan::Basic,
        WirePlan::Premium => Plan::Premium,
    })
}

/// Reads `YYYY-MM-DD`; none for nothing.
fn day(text: &str) -> Result<Option<NaiveDate>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let day = shape.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
    day.map(Some).ok_or("is not a day as YYYY-MM-DD")
}

fn subject(tenant: &Stored<TenantId, Tenant>) -> Subject {
    Subject { kind: "tenant", id: tenant.id.uuid(), version: tenant.version }
}

async fn create(registry: &Registry, request: Request<CreateTenantRequest>) -> Result<CreateTenantResponse, Refusal> {
    let actor = Actor::of(&Caller::of(&request));
    let request = request.into_inner();
    let mut fields = Fields::new();
    let display_name = fields.take("display_name", Line::parse(&request.display_name));
    let time_zone = fields.take("time_zone", TimeZone::parse(&request.time_zone));
    let request_id: Option<Option<Uuid>> = fields.optional_id("request_id", &request.request_id);
    let gate = PlanGate { plan: Plan::Basic, premium_from: None };
    let (value, request_id) = fields.all(|| {
        Some((Tenant { display_name: display_name?, time_zone: time_zone?, suspended: false, gate }, request_id?))
    })?;
    let now = registry.now();
    // The tenant's own transaction must also hold its request ID, so the same request leads to the same tenant.
    let id = request_id.map_or_else(|| TenantId::new(now), |request_id| TenantId::derived(request_id, "tenant"));
    let mut tx = registry.database.tenant(id).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let stored = Stored { id, version: 1, create_time: now, value };
    tenant::insert(&mut tx, &stored).await?;
    change::record(&mut tx, &actor, "tenant.create", subject(&stored), now, Body::Tenant(replica::tenant(&stored)))
        .await?;
    let answer = CreateTenantResponse { tenant: Some(tell(&stored)) };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn get(registry: &Registry, request: Request<GetTenantRequest>) -> Result<GetTenantResponse, Refusal> {
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    let stored = tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    Ok(GetTenantResponse { tenant: Some(tell(&stored)) })
}

async fn list(registry: &Registry, request: Request<ListTenantsRequest>) -> Result<ListTenantsResponse, Refusal> {
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(Caller::of(&request).tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let ids = tenant::ids(&registry.database, asked.after, asked.rows()).await?;
    let (ids, next_page_token) = asked.cut(ids, |(_, position)| *position);
    let mut tenants = Vec::with_capacity(ids.len());
    for (id, _) in ids {
        let mut tx = registry.database.tenant(id).await?;
        tenants.extend(tenant::find(&mut tx).await?.as_ref().map(tell));
    }
    Ok(ListTenantsResponse { tenants, next_page_token })
}

async fn update(registry: &Registry, request: Request<UpdateTenantRequest>) -> Result<UpdateTenantResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.tenant.unwrap_or_default();
    let mut fields = Fields::new();
    // The tenant is that of the call; an ID beside it must be the same.
    let named: Option<Option<TenantId>> = fields.optional_id("tenant.tenant_id", &wanted.tenant_id);
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let display_name = mask
        .covers("display_name", !wanted.display_name.is_empty())
        .then(|| fields.take("tenant.display_name", Line::parse(&wanted.display_name)));
    let time_zone = mask
        .covers("time_zone", !wanted.time_zone.is_empty())
        .then(|| fields.take("tenant.time_zone", TimeZone::parse(&wanted.time_zone)));
    let suspended = mask.covers("suspended", wanted.suspended).then_some(wanted.suspended);
    let plan = mask
        .covers("plan", wanted.plan != 0)
        .then(|| fields.take("tenant.plan", read_plan(wanted.plan).ok_or("does not exist")));
    let premium_from = mask
        .covers("line_tab_premium_from", !wanted.line_tab_premium_from.is_empty())
        .then(|| fields.take("tenant.line_tab_premium_from", day(&wanted.line_tab_premium_from)));
    let named = fields.all(|| named)?;
    if named.is_some_and(|named| named != caller.tenant()) {
        return Err(refuse::not_found("TENANT").into());
    }
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    let stored = tenant::lock(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    etag::check(&wanted.etag, stored.version)?;
    let value = Tenant {
        display_name: display_name.flatten().unwrap_or_else(|| stored.value.display_name.clone()),
        time_zone: time_zone.flatten().unwrap_or(stored.value.time_zone),
        suspended: suspended.unwrap_or(stored.value.suspended),
        gate: PlanGate {
            plan: plan.flatten().unwrap_or(stored.value.gate.plan),
            premium_from: premium_from.flatten().unwrap_or(stored.value.gate.premium_from),
        },
    };
    granter::of(&caller).may_change_contract(&stored.value, &value)?;
    if value == stored.value {
        return Ok(UpdateTenantResponse { tenant: Some(tell(&stored)) });
    }
    let is_renamed = value.display_name != stored.value.display_name;
    let stored = stored.changed(value);
    tenant::update(&mut tx, &stored).await?;
    if is_renamed {
        share::follow_name(&mut tx, now, &stored.value.display_name).await?;
    }
    let body = Body::Tenant(replica::tenant(&stored));
    change::record(&mut tx, &Actor::of(&caller), "tenant.update", subject(&stored), now, body).await?;
    tx.commit().await?;
    Ok(UpdateTenantResponse { tenant: Some(tell(&stored)) })
}
