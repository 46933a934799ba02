//! `PrincipalService`.

use chassis::audit::Actor;
use chassis::auth::{Caller, Token};
use chassis::grpc::refuse;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::principal_service_server::PrincipalService;
use contracts::identity::v1::{
    CreatePrincipalRequest, CreatePrincipalResponse, ListPrincipalsRequest, ListPrincipalsResponse,
    Principal as WirePrincipal, RegisterAssertionKeyRequest, RegisterAssertionKeyResponse, RemoveAssertionKeyRequest,
    RemoveAssertionKeyResponse, RevokePrincipalRequest, RevokePrincipalResponse,
};
use contracts::timestamp;
use identity_linking_core::principal::{AssertionKey, KeyId, Owner, Principal};
use identity_linking_core::{Line, Standing};
use kernel::PrincipalId;
use tonic::{Request, Response, Status};

use super::fields::Fields;
use super::refusal::Refusal;
use super::{granter, repeat};
use crate::change::{self, Subject};
use crate::postgres::principal::StoredPrincipal;
use crate::postgres::{Stored, principal, tenant};
use crate::registry::Registry;
use crate::{replica, right};

const CREATE: &str = "/tsunagi.identity.v1.PrincipalService/CreatePrincipal";

/// The tenant's programs.
pub(crate) struct Principals(pub(crate) Registry);

#[tonic::async_trait]
impl PrincipalService for Principals {
    async fn create_principal(
        &self,
        request: Request<CreatePrincipalRequest>,
    ) -> Result<Response<CreatePrincipalResponse>, Status> {
        Ok(Response::new(create(&self.0, request).await?))
    }

    async fn list_principals(
        &self,
        request: Request<ListPrincipalsRequest>,
    ) -> Result<Response<ListPrincipalsResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn revoke_principal(
        &self,
        request: Request<RevokePrincipalRequest>,
    ) -> Result<Response<RevokePrincipalResponse>, Status> {
        Ok(Response::new(revoke(&self.0, request).await?))
    }

    async fn register_assertion_key(
        &self,
        request: Request<RegisterAssertionKeyRequest>,
    ) -> Result<Response<RegisterAssertionKeyResponse>, Status> {
        Ok(Response::new(register_key(&self.0, request).await?))
    }

    async fn remove_assertion_key(
        &self,
        request: Request<RemoveAssertionKeyRequest>,
    ) -> Result<Response<RemoveAssertionKeyResponse>, Status> {
        Ok(Response::new(remove_key(&self.0, request).await?))
    }
}

fn tell(principal: &StoredPrincipal) -> WirePrincipal {
    let stored = &principal.stored;
    WirePrincipal {
        principal_id: stored.id.to_string(),
        display_name: stored.value.display_name.as_str().to_owned(),
        rights: right::wires(&stored.value.rights),
        assertion_key_ids: stored.value.assertion_keys.iter().map(|key| key.key_id.as_str().to_owned()).collect(),
        create_time: Some(timestamp(stored.create_time)),
        revoke_time: stored.value.revoke_time.map(timestamp),
        expire_time: stored.value.expire_time.map(timestamp),
    }
}

fn subject(principal: &StoredPrincipal) -> Subject {
    Subject { kind: "principal", id: principal.stored.id.uuid(), version: principal.stored.version }
}

async fn create(
    registry: &Registry,
    request: Request<CreatePrincipalRequest>,
) -> Result<CreatePrincipalResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let now = registry.now();
    let mut fields = Fields::new();
    let display_name = fields.take("display_name", Line::parse(&request.display_name));
    let rights = granter::rights(&mut fields, "rights", &request.rights);
    let expire_time = fields.optional_time("expire_time", request.expire_time.as_ref());
    if expire_time.flatten().is_some_and(|time| time <= now) {
        fields.wrong("expire_time", "is not in the future");
    }
    let value = fields.all(|| {
        Some(Principal {
            owner: Owner::Tenant(caller.tenant()),
            display_name: display_name?,
            rights: rights?,
            methods: Vec::new(),
            expire_time: expire_time?,
            revoke_time: None,
            assertion_keys: Vec::new(),
        })
    })?;
    granter::of(&caller).may_change(&Standing::default(), &value.standing())?;
    let mut tx = registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let id = PrincipalId::new(now);
    let token = Token::generate(value.owner.tenant(), id).map_err(|error| refuse::internal(&error))?;
    let stored = Stored { id, version: 1, create_time: now, value };
    let stored = StoredPrincipal { stored, token_hash: token.hash() };
    principal::insert(&mut tx, &stored).await?;
    let body = Body::Principal(replica::principal(&stored));
    change::record(&mut tx, &Actor::of(&caller), "principal.create", subject(&stored), now, body).await?;
    let answer = CreatePrincipalResponse { principal: Some(tell(&stored)), token: String::new() };
    repeat::keep(&mut tx, CREATE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(CreatePrincipalResponse { token: token.reveal().expose().to_owned(), ..answer })
}

async fn list(registry: &Registry, request: Request<ListPrincipalsRequest>) -> Result<ListPrincipalsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let asked = fields.all(|| asked)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let rows = principal::list(&mut tx, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.stored.create_time, last.stored.id.uuid()));
    Ok(ListPrincipalsResponse { principals: rows.iter().map(tell).collect(), next_page_token })
}

/// Changes a principal as `decide` says, and tells how it stands then. A principal that stays as it is gets no new version.
async fn change(
    registry: &Registry,
    caller: &Caller,
    id: PrincipalId,
    action: &'static str,
    decide: impl FnOnce(Principal) -> Result<Principal, Refusal>,
) -> Result<WirePrincipal, Refusal> {
    let now = registry.now();
    let mut tx = registry.tenant_of(caller).await?;
    let kept = principal::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("PRINCIPAL"))?;
    let value = decide(kept.stored.value.clone())?;
    granter::of(caller).may_change(&kept.stored.value.standing(), &value.standing())?;
    if value == kept.stored.value {
        return Ok(tell(&kept));
    }
    let kept = StoredPrincipal { stored: kept.stored.changed(value), ..kept };
    principal::update(&mut tx, &kept).await?;
    let body = Body::Principal(replica::principal(&kept));
    change::record(&mut tx, &Actor::of(caller), action, subject(&kept), now, body).await?;
    tx.commit().await?;
    Ok(tell(&kept))
}

async fn revoke(
    registry: &Registry,
    request: Request<RevokePrincipalRequest>,
) -> Result<RevokePrincipalResponse, Refusal> {
    let mut fields = Fields::new();
    let id = fields.id("principal_id", &request.get_ref().principal_id);
    let id = fields.all(|| id)?;
    let now = registry.now();
    let revoked = change(registry, &Caller::of(&request), id, "principal.revoke", |kept| Ok(kept.revoked(now))).await?;
    Ok(RevokePrincipalResponse { principal: Some(revoked) })
}

async fn register_key(
    registry: &Registry,
    request: Request<RegisterAssertionKeyRequest>,
) -> Result<RegisterAssertionKeyResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.key.unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.id("principal_id", &request.principal_id);
    let key_id = fields.take("key.key_id", KeyId::parse(&wanted.key_id));
    // The ID was noted above where it is wrong; any will do to check the key beside it.
    let checked_with = key_id.clone().or_else(|| KeyId::parse("unnamed").ok());
    let key = checked_with.map(|key_id| AssertionKey::new(key_id, &wanted.public_key));
    let key = key.and_then(|key| fields.take("key.public_key", key));
    let (id, key) = fields.all(|| Some((id?, key?)))?;
    let registered = change(registry, &caller, id, "principal.register_key", |kept| Ok(kept.with_key(key)?)).await?;
    Ok(RegisterAssertionKeyResponse { principal: Some(registered) })
}

async fn remove_key(
    registry: &Registry,
    request: Request<RemoveAssertionKeyRequest>,
) -> Result<RemoveAssertionKeyResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.id("principal_id", &request.principal_id);
    let key_id = fields.take("key_id", KeyId::parse(&request.key_id));
    let (id, key_id) = fields.all(|| Some((id?, key_id?)))?;
    let removed = change(registry, &caller, id, "principal.remove_key", |kept| {
        Ok(kept.without_key(key_id.as_str()).ok_or_else(|| refuse::not_found("ASSERTION_KEY"))?)
    });
    Ok(RemoveAssertionKeyResponse { principal: Some(removed.await?) })
}
