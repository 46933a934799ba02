//! The providers of `AccountService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::identity::v1::{
    CreateProviderRequest, CreateProviderResponse, GetProviderRequest, GetProviderResponse, ListProvidersRequest,
    ListProvidersResponse, Provider as WireProvider,
};
use identity_linking_core::Line;
use identity_linking_core::account::{LineProviderId, Provider};
use kernel::ProviderId;
use tonic::Request;

use super::fields::Fields;
use super::refusal::Refusal;
use super::repeat;
use crate::change::{self, Subject};
use crate::postgres::provider::{self, StoredProvider};
use crate::registry::Registry;

const CREATE: &str = "/tsunagi.identity.v1.AccountService/CreateProvider";

fn tell(provider: &StoredProvider) -> WireProvider {
    let line_provider_id = provider.value.line_provider_id.as_ref();
    WireProvider {
        provider_id: provider.id.to_string(),
        display_name: provider.value.display_name.as_str().to_owned(),
        line_provider_id: line_provider_id.map(LineProviderId::as_str).unwrap_or_default().to_owned(),
    }
}

pub(super) async fn create(
    registry: &Registry,
    request: Request<CreateProviderRequest>,
) -> Result<CreateProviderResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.provider.clone().unwrap_or_default();
    let mut fields = Fields::new();
    let display_name = fields.take("provider.display_name", Line::parse(&wanted.display_name));
    let line_id = wanted.line_provider_id.as_str();
    let line_id = (!line_id.is_empty()).then(|| LineProviderId::parse(line_id).map_err(|_| "is not digits"));
    let line_id = fields.take("provider.line_provider_id", line_id.transpose());
    let value = fields.all(|| Some(Provider { display_name: display_name?, line_provider_id: line_id? }))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let stored = StoredProvider { id: ProviderId::new(now), create_time: now, value };
    provider::insert(&mut tx, &stored).await?;
    let subject = Subject { kind: "provider", id: stored.id.uuid(), version: 1 };
    change::note(&mut tx, &Actor::of(&caller), "provider.create", subject, serde_json::json!({})).await?;
    let answer = CreateProviderResponse { provider: Some(tell(&stored)) };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

pub(super) async fn get(
    registry: &Registry,
    request: Request<GetProviderRequest>,
) -> Result<GetProviderResponse, Refusal> {
    let mut fields = Fields::new();
    let id = fields.id("provider_id", &request.get_ref().provider_id);
    let id = fields.all(|| id)?;
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    let stored = provider::find(&mut tx, id).await?.ok_or_else(|| refuse::not_found("PROVIDER"))?;
    Ok(GetProviderResponse { provider: Some(tell(&stored)) })
}

pub(super) async fn list(
    registry: &Registry,
    request: Request<ListProvidersRequest>,
) -> Result<ListProvidersResponse, Refusal> {
    let mut fields = Fields::new();
    let asked = fields.page(request.get_ref().page_size, &request.get_ref().page_token);
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    let rows = provider::list(&mut tx, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.create_time, last.id.uuid()));
    Ok(ListProvidersResponse { providers: rows.iter().map(tell).collect(), next_page_token })
}
