//! `ForwardingService`.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::egress::Egress;
use chassis::envelope::EnvelopeError;
use chassis::grpc::refuse;
use chassis::postgres::{Database, TenantTx};
use chassis::request::fields::Fields;
use chassis::request::mask::Mask;
use chassis::request::{etag, repeat};
use contracts::ingest::v1::forwarding_service_server::ForwardingService;
use contracts::ingest::v1::{
    CreateForwardingTargetRequest, CreateForwardingTargetResponse, DeleteForwardingTargetRequest,
    DeleteForwardingTargetResponse, ForwardingFigures, ForwardingState, ForwardingTarget, GetForwardingTargetRequest,
    GetForwardingTargetResponse, ListForwardingTargetsRequest, ListForwardingTargetsResponse,
    PauseForwardingTargetRequest, PauseForwardingTargetResponse, ResumeForwardingTargetRequest,
    ResumeForwardingTargetResponse, UpdateForwardingTargetRequest, UpdateForwardingTargetResponse,
};
use contracts::timestamp;
use kernel::{AccountId, Timestamp};
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use webhook_ingest_core::body_time;
use webhook_ingest_core::forwarding::MOST_TARGETS;
use webhook_ingest_core::forwarding::health::PauseReason;

use super::target::{self, Target};
use crate::accounts;
use crate::vault::Vault;

const CREATE: &str = "/tsunagi.ingest.v1.ForwardingService/CreateForwardingTarget";
const CHANGEABLE: &[&str] = &["url", "display_name"];
const LONGEST_URL: usize = 2_000;
const LONGEST_NAME: usize = 100;

/// The service, over the table of targets.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    pub(crate) database: Database,
    pub(crate) vault: Vault,
    pub(crate) egress: Egress,
}

impl Forwarding {
    async fn tenant_of(&self, caller: &Caller) -> Result<TenantTx, Status> {
        self.database.tenant(caller.tenant()).await.map_err(refuse::database)
    }

    /// The same for who keeps a URL: the tenant's data key is known.
    async fn tenant_who_keeps(&self, caller: &Caller) -> Result<TenantTx, Status> {
        self.vault.learn(&self.database, &[caller.tenant()]).await.map_err(refuse::envelope)?;
        self.tenant_of(caller).await
    }

    fn sealed(&self, caller: &Caller, id: Uuid, url: &str) -> Result<Vec<u8>, Status> {
        self.vault.seal_url(caller.tenant(), id, url).map_err(refuse::envelope)
    }

    /// Where a target is. One that was changed behind the service's back opens never, and is told as nowhere.
    async fn url_of(&self, caller: &Caller, target: &Target) -> Result<String, Status> {
        match self.vault.open_url(&self.database, caller.tenant(), target.id, &target.sealed_url).await {
            Err(EnvelopeError::Ciphertext) => {
                tracing::error!(forwarding.target = %target.id, "the URL of a forwarding target cannot be decrypted");
                Ok(String::new())
            }
            opened => opened.map_err(refuse::envelope),
        }
    }

    async fn told(&self, caller: &Caller, target: &Target) -> Result<ForwardingTarget, Status> {
        Ok(tell(target, self.url_of(caller, target).await?))
    }

    /// The URL, as it is kept. What is wrong with it is told without it.
    fn read_url(&self, fields: &mut Fields, text: &str) -> Option<String> {
        const FIELD: &str = "forwarding_target.url";
        let is_too_long = |text: &str| text.chars().count() > LONGEST_URL;
        if text.is_empty() {
            return fields.take(FIELD, Err("is required"));
        }
        if is_too_long(text) {
            return fields.take(FIELD, Err("has more than 2,000 characters"));
        }
        let target = fields.take(FIELD, self.egress.target(text))?;
        // Written out as it is sent, it may have grown.
        let kept = Some(target.expose().to_owned()).filter(|kept| !is_too_long(kept));
        fields.take(FIELD, kept.ok_or("has more than 2,000 characters"))
    }
}

fn created(target: ForwardingTarget) -> CreateForwardingTargetResponse {
    CreateForwardingTargetResponse { forwarding_target: Some(target) }
}

fn read_name(fields: &mut Fields, text: &str) -> Option<String> {
    let length = text.chars().count();
    let fits = (1..=LONGEST_NAME).contains(&length) && !text.chars().any(char::is_control) && text.trim() == text;
    let why = match length {
        0 => "is required",
        length if length > LONGEST_NAME => "has more than 100 characters",
        _ => "begins or ends with a space, or holds a control character",
    };
    fields.take("forwarding_target.display_name", if fits { Ok(text.to_owned()) } else { Err(why) })
}

fn tell(target: &Target, url: String) -> ForwardingTarget {
    let state = if target.pause_reason.is_some() {
        ForwardingState::Paused
    } else if target.health.is_told_as_down(target.now) {
        ForwardingState::Down
    } else {
        ForwardingState::Active
    };
    let next_try = target.health.next_try.filter(|time| target.pause_reason.is_none() && *time > target.now);
    ForwardingTarget {
        target_id: target.id.to_string(),
        account_id: target.account.to_string(),
        url,
        display_name: target.display_name.clone(),
        state: state.into(),
        pause_reason: target.pause_reason.unwrap_or_default().into(),
        pause_time: target.paused_at.map(timestamp),
        create_time: Some(timestamp(target.created_at)),
        update_time: Some(timestamp(target.updated_at)),
        etag: etag::of(target.version),
        figures: Some(ForwardingFigures {
            waiting_bodies: i32::try_from(target.waiting).unwrap_or(i32::MAX),
            oldest_waiting_time: target.oldest.and_then(body_time).map(timestamp),
            last_success_time: target.last_success_at.map(timestamp),
            last_failure_time: target.last_failure_at.map(timestamp),
            last_failure: target.last_failure.unwrap_or_default().into(),
            consecutive_failures: i32::try_from(target.health.failures).unwrap_or(i32::MAX),
            next_try_time: next_try.map(timestamp),
            delivered_bodies: target.delivered,
            erased_bodies: target.erased,
            expired_bodies: target.expired,
            refused_bodies: target.refused,
        }),
    }
}

/// Notes who changed a target. Its URL is in no audit.
async fn note(tx: &mut TenantTx, caller: &Caller, action: &'static str, target: &Target) -> Result<(), Status> {
    let subject = format!("forwarding_target/{}", target.id);
    let detail = json!({ "account_id": target.account, "version": target.version });
    audit::record(tx, &Actor::of(caller), action, &subject, detail).await.map_err(refuse::database)
}

async fn found(tx: &mut TenantTx, id: Uuid) -> Result<Target, Status> {
    let target = target::find(tx, id).await.map_err(refuse::database)?;
    target.ok_or_else(|| refuse::not_found("FORWARDING_TARGET"))
}

async fn found_to_change(tx: &mut TenantTx, id: Uuid, given: &str) -> Result<Target, Status> {
    let target = target::find_to_change(tx, id).await.map_err(refuse::database)?;
    let target = target.ok_or_else(|| refuse::not_found("FORWARDING_TARGET"))?;
    etag::check(given, target.version)?;
    Ok(target)
}

async fn known(tx: &mut TenantTx, account: AccountId) -> Result<(), Status> {
    let known = accounts::is_known(tx, account.uuid()).await.map_err(refuse::database)?;
    if known { Ok(()) } else { Err(refuse::not_found("ACCOUNT")) }
}

fn id(text: &str) -> Result<Uuid, Status> {
    let mut fields = Fields::new();
    let id = fields.id("target_id", text);
    fields.all(|| id)
}

impl Forwarding {
    /// Pauses a target or ends that, unless it is as wanted.
    async fn turn(
        &self,
        caller: &Caller,
        id: Uuid,
        given: &str,
        reason: Option<PauseReason>,
    ) -> Result<Target, Status> {
        let mut tx = self.tenant_of(caller).await?;
        let target = found_to_change(&mut tx, id, given).await?;
        if target.pause_reason.is_some() == reason.is_some() {
            return Ok(target);
        }
        target::set_pause(&mut tx, id, reason.map(PauseReason::code)).await.map_err(refuse::database)?;
        let target = found(&mut tx, id).await?;
        let action = if reason.is_some() { "forwarding_target.pause" } else { "forwarding_target.resume" };
        note(&mut tx, caller, action, &target).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(target)
    }
}

#[tonic::async_trait]
impl ForwardingService for Forwarding {
    async fn create_forwarding_target(
        &self,
        request: Request<CreateForwardingTargetRequest>,
    ) -> Result<Response<CreateForwardingTargetResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let wanted = request.forwarding_target.clone().unwrap_or_default();
        let mut fields = Fields::new();
        let account: Option<AccountId> = fields.id("forwarding_target.account_id", &wanted.account_id);
        let url = self.read_url(&mut fields, &wanted.url);
        let name = read_name(&mut fields, &wanted.display_name);
        let request_id: Option<Option<Uuid>> = fields.optional_id("request_id", &request.request_id);
        let (account, url, name) = fields.all(|| request_id.and(Some((account?, url?, name?))))?;
        let mut tx = self.tenant_who_keeps(&caller).await?;
        let before = repeat::answered(&mut tx, CREATE, &request.request_id, &request).await?;
        if let Some(CreateForwardingTargetResponse { forwarding_target }) = before {
            // The same request has the same URL.
            return Ok(Response::new(created(ForwardingTarget { url, ..forwarding_target.unwrap_or_default() })));
        }
        known(&mut tx, account).await?;
        if target::count(&mut tx, account).await.map_err(refuse::database)? >= MOST_TARGETS {
            return Err(refuse::precondition(
                "TOO_MANY_FORWARDING_TARGETS",
                "the official account has as many forwarding targets as it may have",
            ));
        }
        let id = Uuid::new_v4();
        let sealed = self.sealed(&caller, id, &url)?;
        target::insert(&mut tx, id, account, &sealed, &name).await.map_err(refuse::database)?;
        let target = found(&mut tx, id).await?;
        note(&mut tx, &caller, "forwarding_target.create", &target).await?;
        // Kept without the URL, which may hold a secret.
        let kept = tell(&target, String::new());
        repeat::keep(&mut tx, CREATE, &request.request_id, &created(kept.clone())).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(created(ForwardingTarget { url, ..kept })))
    }

    async fn get_forwarding_target(
        &self,
        request: Request<GetForwardingTargetRequest>,
    ) -> Result<Response<GetForwardingTargetResponse>, Status> {
        let id = id(&request.get_ref().target_id)?;
        let caller = Caller::of(&request);
        let mut tx = self.tenant_of(&caller).await?;
        let target = found(&mut tx, id).await?;
        drop(tx);
        let target = self.told(&caller, &target).await?;
        Ok(Response::new(GetForwardingTargetResponse { forwarding_target: Some(target) }))
    }

    async fn list_forwarding_targets(
        &self,
        request: Request<ListForwardingTargetsRequest>,
    ) -> Result<Response<ListForwardingTargetsResponse>, Status> {
        let caller = Caller::of(&request);
        let mut fields = Fields::new();
        let page = fields.page::<(Timestamp, Uuid)>(caller.tenant(), request.get_ref());
        let account: Option<Option<AccountId>> = fields.optional_id("account_id", &request.get_ref().account_id);
        let (page, account) = fields.all(|| Some((page?, account?)))?;
        let mut tx = self.tenant_of(&caller).await?;
        if let Some(account) = account {
            known(&mut tx, account).await?;
        }
        let targets = target::list(&mut tx, account, page.after, page.rows()).await.map_err(refuse::database)?;
        drop(tx);
        let (targets, next_page_token) = page.cut(targets, |last| (last.created_at, last.id));
        let mut forwarding_targets = Vec::with_capacity(targets.len());
        for target in &targets {
            forwarding_targets.push(self.told(&caller, target).await?);
        }
        Ok(Response::new(ListForwardingTargetsResponse { forwarding_targets, next_page_token }))
    }

    async fn update_forwarding_target(
        &self,
        request: Request<UpdateForwardingTargetRequest>,
    ) -> Result<Response<UpdateForwardingTargetResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let wanted = request.forwarding_target.unwrap_or_default();
        let mut fields = Fields::new();
        let id: Option<Uuid> = fields.id("forwarding_target.target_id", &wanted.target_id);
        let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
        let url = mask.covers("url", !wanted.url.is_empty()).then(|| self.read_url(&mut fields, &wanted.url));
        let names = mask.covers("display_name", !wanted.display_name.is_empty());
        let name = names.then(|| read_name(&mut fields, &wanted.display_name));
        let id = fields.all(|| id)?;
        let mut tx = self.tenant_who_keeps(&caller).await?;
        let target = found_to_change(&mut tx, id, &wanted.etag).await?;
        let before = self.url_of(&caller, &target).await?;
        let url = url.flatten().unwrap_or_else(|| before.clone());
        let name = name.flatten().unwrap_or_else(|| target.display_name.clone());
        let is_elsewhere = url != before;
        if !is_elsewhere && name == target.display_name {
            return Ok(Response::new(UpdateForwardingTargetResponse { forwarding_target: Some(tell(&target, url)) }));
        }
        let sealed = if is_elsewhere { self.sealed(&caller, id, &url)? } else { target.sealed_url };
        target::update(&mut tx, id, &sealed, &name, is_elsewhere).await.map_err(refuse::database)?;
        let target = found(&mut tx, id).await?;
        note(&mut tx, &caller, "forwarding_target.update", &target).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(UpdateForwardingTargetResponse { forwarding_target: Some(tell(&target, url)) }))
    }

    async fn delete_forwarding_target(
        &self,
        request: Request<DeleteForwardingTargetRequest>,
    ) -> Result<Response<DeleteForwardingTargetResponse>, Status> {
        let caller = Caller::of(&request);
        let id = id(&request.get_ref().target_id)?;
        let mut tx = self.tenant_of(&caller).await?;
        let target = found_to_change(&mut tx, id, &request.get_ref().etag).await?;
        target::delete(&mut tx, id).await.map_err(refuse::database)?;
        note(&mut tx, &caller, "forwarding_target.delete", &target).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(DeleteForwardingTargetResponse {}))
    }

    async fn pause_forwarding_target(
        &self,
        request: Request<PauseForwardingTargetRequest>,
    ) -> Result<Response<PauseForwardingTargetResponse>, Status> {
        let (id, given) = (id(&request.get_ref().target_id)?, &request.get_ref().etag);
        let caller = Caller::of(&request);
        let target = self.turn(&caller, id, given, Some(PauseReason::Requested)).await?;
        let target = self.told(&caller, &target).await?;
        Ok(Response::new(PauseForwardingTargetResponse { forwarding_target: Some(target) }))
    }

    async fn resume_forwarding_target(
        &self,
        request: Request<ResumeForwardingTargetRequest>,
    ) -> Result<Response<ResumeForwardingTargetResponse>, Status> {
        let (id, given) = (id(&request.get_ref().target_id)?, &request.get_ref().etag);
        let caller = Caller::of(&request);
        let target = self.turn(&caller, id, given, None).await?;
        let target = self.told(&caller, &target).await?;
        Ok(Response::new(ResumeForwardingTargetResponse { forwarding_target: Some(target) }))
    }
}
