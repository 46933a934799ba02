//! `CustomerService`: customers here, their activities in their own module.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::customer_service_server::CustomerService;
use contracts::identity::v1::{
    CreateCustomerRequest, CreateCustomerResponse, Customer as WireCustomer, GetActivityRequest, GetActivityResponse,
    GetCustomerRequest, GetCustomerResponse, LineStanding, ListActivitiesRequest, ListActivitiesResponse,
    ListCustomersRequest, ListCustomersResponse, RecordActivityRequest, RecordActivityResponse, UpdateCustomerRequest,
    UpdateCustomerResponse,
};
use contracts::timestamp;
use identity_linking_core::{BirthDate, Customer, ExternalReference, Line, PersonName, Tenant};
use kernel::{CustomerId, Timestamp};
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::mask::Mask;
use super::person::{self, addresses, phones};
use super::refusal::Refusal;
use super::{activity, etag, line_standing, repeat, visibility};
use crate::change::{self, Subject};
use crate::postgres::customer::{self, StoredCustomer};
use crate::postgres::{Position, Stored, tenant};
use crate::registry::Registry;
use crate::replica;

const CREATE: &str = "/tsunagi.identity.v1.CustomerService/CreateCustomer";
/// The field of the name.
const NAME: &str = "customer.name";
const CHANGEABLE: &[&str] = &[
    "name.family",
    "name.given",
    "name.family_reading",
    "name.given_reading",
    "phones",
    "addresses",
    "birth_date",
    "organization_id",
    "external_reference",
];

/// The company's own customers and what they did.
pub(crate) struct Customers(pub(crate) Registry);

#[tonic::async_trait]
impl CustomerService for Customers {
    async fn create_customer(
        &self,
        request: Request<CreateCustomerRequest>,
    ) -> Result<Response<CreateCustomerResponse>, Status> {
        Ok(Response::new(create(&self.0, request).await?))
    }

    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn list_customers(
        &self,
        request: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn update_customer(
        &self,
        request: Request<UpdateCustomerRequest>,
    ) -> Result<Response<UpdateCustomerResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }

    async fn record_activity(
        &self,
        request: Request<RecordActivityRequest>,
    ) -> Result<Response<RecordActivityResponse>, Status> {
        Ok(Response::new(activity::record(&self.0, request).await?))
    }

    async fn get_activity(
        &self,
        request: Request<GetActivityRequest>,
    ) -> Result<Response<GetActivityResponse>, Status> {
        Ok(Response::new(activity::get(&self.0, request).await?))
    }

    async fn list_activities(
        &self,
        request: Request<ListActivitiesRequest>,
    ) -> Result<Response<ListActivitiesResponse>, Status> {
        Ok(Response::new(activity::list(&self.0, request).await?))
    }
}

fn tell(customer: &StoredCustomer, line: Option<LineStanding>) -> WireCustomer {
    let StoredCustomer { stored, update_time, merged_into } = customer;
    WireCustomer {
        customer_id: stored.id.to_string(),
        name: Some(person::tell_name(&stored.value.name)),
        phones: stored.value.phones.iter().map(person::tell_phone).collect(),
        addresses: stored.value.addresses.iter().map(person::tell_address).collect(),
        birth_date: stored.value.birth_date.map(|date| date.day().to_string()).unwrap_or_default(),
        organization_id: replica::optional(stored.value.organization),
        external_reference: replica::text(stored.value.external_reference.as_ref()),
        provisional: stored.value.provisional,
        etag: etag::of(stored.version),
        create_time: Some(timestamp(stored.create_time)),
        update_time: Some(timestamp(*update_time)),
        line,
        merged_into: merged_into.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// Tells a customer with how it stands with LINE.
async fn tell_one(
    tx: &mut TenantTx,
    tenant: &Tenant,
    now: Timestamp,
    customer: &StoredCustomer,
) -> Result<WireCustomer, sqlx::Error> {
    let mut standing = line_standing::of(tx, tenant, now, &[customer.stored.id]).await?;
    Ok(tell(customer, standing.remove(&customer.stored.id)))
}

/// A customer as the subject of a change.
pub(super) fn subject(customer: &StoredCustomer) -> Subject {
    Subject { kind: "customer", id: customer.stored.id.uuid(), version: customer.stored.version }
}

fn read(fields: &mut Fields, wanted: &WireCustomer, tenant: &Tenant, now: Timestamp) -> Option<Customer> {
    let region = tenant.time_zone.calling_region();
    let name = person::name(fields, NAME, &wanted.name.clone().unwrap_or_default());
    let phones = phones(fields, &wanted.phones, region);
    let addresses = addresses(fields, &wanted.addresses);
    let birth_date =
        fields.take("customer.birth_date", BirthDate::optional(&wanted.birth_date, tenant.time_zone.day(now)));
    let organization = fields.optional_id("customer.organization_id", &wanted.organization_id);
    let reference = fields.take("customer.external_reference", Line::optional(&wanted.external_reference));
    Some(Customer {
        name: name?,
        phones: phones?,
        addresses: addresses?,
        birth_date: birth_date?,
        organization: organization?,
        external_reference: reference?,
        provisional: false,
    })
}

async fn create(
    registry: &Registry,
    request: Request<CreateCustomerRequest>,
) -> Result<CreateCustomerResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    // Phones and birth dates are read by the tenant's zone.
    let tenant = tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let mut fields = Fields::new();
    let value = read(&mut fields, &request.customer.clone().unwrap_or_default(), &tenant.value, now);
    let value = fields.all(|| value)?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let stored = Stored { id: CustomerId::new(now), version: 1, create_time: now, value };
    let stored = StoredCustomer { stored, update_time: now, merged_into: None };
    customer::insert(&mut tx, &stored).await?;
    let body = Body::Customer(replica::customer(&stored));
    change::record(&mut tx, &Actor::of(&caller), "customer.create", subject(&stored), now, body).await?;
    let told = tell_one(&mut tx, &tenant.value, now, &stored).await?;
    let answer = CreateCustomerResponse { customer: Some(told) };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn get(registry: &Registry, request: Request<GetCustomerRequest>) -> Result<GetCustomerResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let by_reference = request.customer_id.is_empty() && !request.external_reference.is_empty();
    let mut fields = Fields::new();
    let id = (!by_reference).then(|| fields.id("customer_id", &request.customer_id));
    let reference =
        by_reference.then(|| fields.take("external_reference", ExternalReference::parse(&request.external_reference)));
    fields.all(|| Some(()))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = match (id.flatten(), reference.flatten()) {
        (Some(id), _) => customer::find(&mut tx, id).await?,
        (None, Some(reference)) => customer::find_by_reference(&mut tx, &reference).await?,
        (None, None) => None,
    };
    let found = visibility::seen_customer(found, &caller.sight())?;
    let tenant = tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("CUSTOMER"))?;
    let told = tell_one(&mut tx, &tenant.value, registry.now(), &found).await?;
    Ok(GetCustomerResponse { customer: Some(told) })
}

async fn list(registry: &Registry, request: Request<ListCustomersRequest>) -> Result<ListCustomersResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let rows = customer::list(&mut tx, &caller.sight(), asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.update_time, last.stored.id.uuid()));
    // A tenant that is not there has no customers either.
    let Some(tenant) = tenant::find(&mut tx).await? else { return Ok(ListCustomersResponse::default()) };
    let ids: Vec<CustomerId> = rows.iter().map(|row| row.stored.id).collect();
    let mut standings = line_standing::of(&mut tx, &tenant.value, registry.now(), &ids).await?;
    let customers = rows.iter().map(|row| tell(row, standings.remove(&row.stored.id))).collect();
    Ok(ListCustomersResponse { customers, next_page_token })
}

/// The customer as it will be: fields the mask covers from the request, the others as they are known. Where nothing is known,
/// the fields are only checked.
fn changed(
    fields: &mut Fields,
    mask: &Mask,
    wanted: &WireCustomer,
    known: Option<&Customer>,
    tenant: &Tenant,
    now: Timestamp,
) -> Option<Customer> {
    let name = changed_name(fields, mask, wanted, known.map(|known| &known.name));
    let phones = mask
        .covers("phones", !wanted.phones.is_empty())
        .then(|| phones(fields, &wanted.phones, tenant.time_zone.calling_region()));
    let addresses =
        mask.covers("addresses", !wanted.addresses.is_empty()).then(|| addresses(fields, &wanted.addresses));
    let birth_date = mask.covers("birth_date", !wanted.birth_date.is_empty()).then(|| {
        fields.take("customer.birth_date", BirthDate::optional(&wanted.birth_date, tenant.time_zone.day(now)))
    });
    let organization = mask
        .covers("organization_id", !wanted.organization_id.is_empty())
        .then(|| fields.optional_id("customer.organization_id", &wanted.organization_id));
    let reference = mask
        .covers("external_reference", !wanted.external_reference.is_empty())
        .then(|| fields.take("customer.external_reference", Line::optional(&wanted.external_reference)));
    let known = known?;
    Some(Customer {
        name: name?,
        phones: phones.unwrap_or_else(|| Some(known.phones.clone()))?,
        addresses: addresses.unwrap_or_else(|| Some(known.addresses.clone()))?,
        birth_date: birth_date.unwrap_or(Some(known.birth_date))?,
        organization: organization.unwrap_or(Some(known.organization))?,
        external_reference: reference.unwrap_or_else(|| Some(known.external_reference.clone()))?,
        provisional: known.provisional,
    })
}

fn changed_name(
    fields: &mut Fields,
    mask: &Mask,
    wanted: &WireCustomer,
    known: Option<&PersonName>,
) -> Option<PersonName> {
    let mut name = wanted.name.clone().unwrap_or_default();
    for (path, part, known) in [
        ("name.family", &mut name.family, known.map(PersonName::family)),
        ("name.given", &mut name.given, known.map(PersonName::given)),
        ("name.family_reading", &mut name.family_reading, known.map(PersonName::family_reading)),
        ("name.given_reading", &mut name.given_reading, known.map(PersonName::given_reading)),
    ] {
        if !mask.covers(path, !part.is_empty()) {
            known.unwrap_or_default().clone_into(part);
        }
    }
    match known {
        Some(_) => person::name(fields, NAME, &name),
        None => person::parts(fields, NAME, &name).and(None),
    }
}

async fn update(
    registry: &Registry,
    request: Request<UpdateCustomerRequest>,
) -> Result<UpdateCustomerResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.customer.unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.id("customer.customer_id", &wanted.customer_id);
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    // Whose zone the fields are read by; a tenant that is not there has no customers either.
    let Some(tenant) = tenant::find(&mut tx).await? else { return Err(refuse::not_found("CUSTOMER").into()) };
    let kept = match id {
        Some(id) => Some(visibility::seen_customer(customer::lock(&mut tx, id).await?, &caller.sight())?),
        None => None,
    };
    let known = kept.as_ref().map(|kept| &kept.stored.value);
    let value = changed(&mut fields, &mask, &wanted, known, &tenant.value, now);
    let (kept, value) = fields.all(|| Some((kept?, value?)))?;
    etag::check(&wanted.etag, kept.stored.version)?;
    if value == kept.stored.value {
        let told = tell_one(&mut tx, &tenant.value, now, &kept).await?;
        return Ok(UpdateCustomerResponse { customer: Some(told) });
    }
    if kept.merged_into.is_some() {
        return Err(refuse::precondition("CUSTOMER_ABSORBED", "the customer was absorbed by another").into());
    }
    let kept = StoredCustomer { stored: kept.stored.changed(value.touched()), update_time: now, merged_into: None };
    customer::update(&mut tx, &kept).await?;
    let body = Body::Customer(replica::customer(&kept));
    change::record(&mut tx, &Actor::of(&caller), "customer.update", subject(&kept), now, body).await?;
    let told = tell_one(&mut tx, &tenant.value, now, &kept).await?;
    tx.commit().await?;
    Ok(UpdateCustomerResponse { customer: Some(told) })
}
