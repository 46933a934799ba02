//! The providers of `AccountService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::identity::v1::{
    CreateProviderRequest, CreateProviderResponse, GetProviderRequest, GetProviderResponse, ListProvidersRequest,
    ListProvidersResponse, Provider as WireProvider, ProviderEvidence as WireEvidence, ProviderVerdict as WireVerdict,
    UpdateProviderRequest, UpdateProviderResponse,
};
use contracts::timestamp;
use identity_linking_core::Line;
use identity_linking_core::account::{LineProviderId, Provider};
use identity_linking_core::provider::ProviderVerdict;
use kernel::ProviderId;
use tonic::Request;

use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use super::{etag, repeat};
use crate::change::{self, Subject};
use crate::postgres::provider_evidence::{self, StoredEvidence};
use crate::postgres::{Stored, provider};
use crate::registry::Registry;

const CREATE: &str = "/tsunagi.identity.v1.AccountService/CreateProvider";
const UPDATE: &str = "/tsunagi.identity.v1.AccountService/UpdateProvider";

type StoredProvider = Stored<ProviderId, Provider>;

fn tell(provider: &StoredProvider) -> WireProvider {
    let line_provider_id = provider.value.line_provider_id.as_ref();
    WireProvider {
        provider_id: provider.id.to_string(),
        display_name: provider.value.display_name.as_str().to_owned(),
        line_provider_id: line_provider_id.map(LineProviderId::as_str).unwrap_or_default().to_owned(),
        etag: etag::of(provider.version),
    }
}

fn verdict(verdict: ProviderVerdict) -> WireVerdict {
    WireVerdict::from_str_name(&format!("PROVIDER_VERDICT_{}", verdict.as_str())).unwrap_or_default()
}

fn tell_evidence(evidence: &StoredEvidence) -> WireEvidence {
    WireEvidence {
        account_id: evidence.value.account.to_string(),
        other_account_id: evidence.value.other_account.to_string(),
        verdict: verdict(evidence.value.verdict).into(),
        create_time: Some(timestamp(evidence.create_time)),
    }
}

fn subject(provider: &StoredProvider) -> Subject {
    Subject { kind: "provider", id: provider.id.uuid(), version: provider.version }
}

/// LINE's ID of a provider; the inner value is none for an empty text.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
fn line_provider_id(fields: &mut Fields, text: &str) -> Option<Option<LineProviderId>> {
    let read = (!text.is_empty()).then(|| LineProviderId::parse(text).map_err(|_| "is not digits"));
    fields.take("provider.line_provider_id", read.transpose())
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
    let line_id = line_provider_id(&mut fields, &wanted.line_provider_id);
    let value = fields.all(|| Some(Provider { display_name: display_name?, line_provider_id: line_id? }))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let stored = Stored { id: ProviderId::new(now), version: 1, create_time: now, value };
    provider::insert(&mut tx, &stored).await?;
    change::note(&mut tx, &Actor::of(&caller), "provider.create", subject(&stored), serde_json::json!({})).await?;
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
    let evidence = provider_evidence::list(&mut tx, &[id]).await?;
    Ok(GetProviderResponse { provider: Some(tell(&stored)), evidence: evidence.iter().map(tell_evidence).collect() })
}

pub(super) async fn list(
    registry: &Registry,
    request: Request<ListProvidersRequest>,
) -> Result<ListProvidersResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let rows = provider::list(&mut tx, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.create_time, last.id.uuid()));
    let ids: Vec<ProviderId> = rows.iter().map(|provider| provider.id).collect();
    let evidence = provider_evidence::list(&mut tx, &ids).await?;
    Ok(ListProvidersResponse {
        providers: rows.iter().map(tell).collect(),
        next_page_token,
        evidence: evidence.iter().map(tell_evidence).collect(),
    })
}

pub(super) async fn update(
    registry: &Registry,
    request: Request<UpdateProviderRequest>,
) -> Result<UpdateProviderResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.provider.clone().unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.id("provider.provider_id", &wanted.provider_id);
    let mask = Mask::read(&mut fields, request.update_mask.clone(), &["display_name", "line_provider_id"]);
    let display_name = mask
        .covers("display_name", !wanted.display_name.is_empty())
        .then(|| fields.take("provider.display_name", Line::parse(&wanted.display_name)));
    let line_id = mask
        .covers("line_provider_id", !wanted.line_provider_id.is_empty())
        .then(|| line_provider_id(&mut fields, &wanted.line_provider_id));
    let id = fields.all(|| id)?;
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, UPDATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let mut stored = provider::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("PROVIDER"))?;
    etag::check(&wanted.etag, stored.version)?;
    let value = Provider {
        display_name: display_name.flatten().unwrap_or_else(|| stored.value.display_name.clone()),
        line_provider_id: line_id.flatten().unwrap_or_else(|| stored.value.line_provider_id.clone()),
    };
    if value != stored.value {
        stored = stored.changed(value);
        provider::update(&mut tx, &stored).await?;
        let detail = serde_json::json!({ "version": stored.version });
        change::note(&mut tx, &Actor::of(&caller), "provider.update", subject(&stored), detail).await?;
    }
    let answer = UpdateProviderResponse { provider: Some(tell(&stored)) };
    repeat::keep(&mut tx, UPDATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_verdicts() {
        assert!(ProviderVerdict::ALL.iter().all(|one| verdict(*one) != WireVerdict::Unspecified));
    }
}
