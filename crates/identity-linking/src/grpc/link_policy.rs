//! `LinkPolicyService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use contracts::events::v1::Assurance as WireAssurance;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::link_policy_service_server::LinkPolicyService;
use contracts::identity::v1::{
    GetLinkPolicyRequest, GetLinkPolicyResponse, LeastAssurance as WireLeast, LinkPolicy as WirePolicy,
    OnFirstMessage as WireOnFirstMessage, OnNoMatch as WireOnNoMatch, UpdateLinkPolicyRequest,
    UpdateLinkPolicyResponse,
};
use identity_linking_core::link::{LeastAssurance, LinkPolicy};
use identity_linking_core::matching::{Assurance, OnFirstMessage, OnNoMatch};
use tonic::{Request, Response, Status};

use super::etag;
use super::fields::Fields;
use super::mask::Mask;
use super::refusal::Refusal;
use crate::change::{self, Subject};
use crate::postgres::link_policy::{self, StoredPolicy};
use crate::postgres::tenant;
use crate::registry::Registry;
use crate::replica;

const CHANGEABLE: &[&str] = &[
    "on_no_match",
    "on_first_message",
    "least_assurance.chat",
    "least_assurance.reminder",
    "least_assurance.personal",
];

/// What tenants let happen by themselves when LINE users come.
pub(crate) struct LinkPolicies(pub(crate) Registry);

#[tonic::async_trait]
impl LinkPolicyService for LinkPolicies {
    async fn get_link_policy(
        &self,
        request: Request<GetLinkPolicyRequest>,
    ) -> Result<Response<GetLinkPolicyResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn update_link_policy(
        &self,
        request: Request<UpdateLinkPolicyRequest>,
    ) -> Result<Response<UpdateLinkPolicyResponse>, Status> {
        Ok(Response::new(update(&self.0, request).await?))
    }
}

fn on_no_match(value: OnNoMatch) -> WireOnNoMatch {
    WireOnNoMatch::from_str_name(&format!("ON_NO_MATCH_{}", value.as_str())).unwrap_or_default()
}

fn read_on_no_match(wire: i32) -> Option<OnNoMatch> {
    OnNoMatch::named(WireOnNoMatch::try_from(wire).ok()?.as_str_name().strip_prefix("ON_NO_MATCH_")?)
}

fn on_first_message(value: OnFirstMessage) -> WireOnFirstMessage {
    WireOnFirstMessage::from_str_name(&format!("ON_FIRST_MESSAGE_{}", value.as_str())).unwrap_or_default()
}

fn read_on_first_message(wire: i32) -> Option<OnFirstMessage> {
    OnFirstMessage::named(WireOnFirstMessage::try_from(wire).ok()?.as_str_name().strip_prefix("ON_FIRST_MESSAGE_")?)
}

fn read_assurance(wire: i32) -> Option<Assurance> {
    Assurance::named(WireAssurance::try_from(wire).ok()?.as_str_name().strip_prefix("ASSURANCE_")?)
}

fn tell(policy: &StoredPolicy) -> WirePolicy {
    let StoredPolicy { version, value } = policy;
    WirePolicy {
        on_no_match: on_no_match(value.on_no_match).into(),
        on_first_message: on_first_message(value.on_first_message).into(),
        least_assurance: Some(WireLeast {
            chat: replica::assurance(value.least.chat).into(),
            reminder: replica::assurance(value.least.reminder).into(),
            personal: replica::assurance(value.least.personal).into(),
        }),
        etag: etag::of(*version),
    }
}

async fn get(registry: &Registry, request: Request<GetLinkPolicyRequest>) -> Result<GetLinkPolicyResponse, Refusal> {
    let mut tx = registry.tenant_of(&Caller::of(&request)).await?;
    tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let policy = link_policy::find(&mut tx).await?;
    Ok(GetLinkPolicyResponse { link_policy: Some(tell(&policy)) })
}

/// The policy as it will be.
fn changed(fields: &mut Fields, mask: &Mask, wanted: &WirePolicy, known: LinkPolicy) -> Option<LinkPolicy> {
    let least = wanted.least_assurance.unwrap_or_default();
    let on_no_match = if mask.covers("on_no_match", wanted.on_no_match != 0) {
        fields.named("link_policy.on_no_match", wanted.on_no_match, read_on_no_match(wanted.on_no_match))
    } else {
        Some(known.on_no_match)
    };
    let on_first_message = if mask.covers("on_first_message", wanted.on_first_message != 0) {
        let read = read_on_first_message(wanted.on_first_message);
        fields.named("link_policy.on_first_message", wanted.on_first_message, read)
    } else {
        Some(known.on_first_message)
    };
    let mut assurance = |path: &str, wire: i32, known: Assurance| {
        if mask.covers(path, wire != 0) {
            fields.named(&format!("link_policy.{path}"), wire, read_assurance(wire))
        } else {
            Some(known)
        }
    };
    let chat = assurance("least_assurance.chat", least.chat, known.least.chat);
    let reminder = assurance("least_assurance.reminder", least.reminder, known.least.reminder);
    let personal = assurance("least_assurance.personal", least.personal, known.least.personal);
    Some(LinkPolicy {
        on_no_match: on_no_match?,
        on_first_message: on_first_message?,
        least: LeastAssurance { chat: chat?, reminder: reminder?, personal: personal? },
    })
}

async fn update(
    registry: &Registry,
    request: Request<UpdateLinkPolicyRequest>,
) -> Result<UpdateLinkPolicyResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.link_policy.unwrap_or_default();
    let mut fields = Fields::new();
    let mask = Mask::read(&mut fields, request.update_mask, CHANGEABLE);
    let mut tx = registry.tenant_of(&caller).await?;
    let found = tenant::lock(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?;
    let known = link_policy::find(&mut tx).await?;
    let value = changed(&mut fields, &mask, &wanted, known.value);
    let value = fields.all(|| value)?;
    etag::check(&wanted.etag, known.version)?;
    if value == known.value {
        return Ok(UpdateLinkPolicyResponse { link_policy: Some(tell(&known)) });
    }
    let kept = StoredPolicy { version: known.version + 1, value };
    link_policy::put(&mut tx, &kept).await?;
    let subject = Subject { kind: "link_policy", id: found.id.uuid(), version: kept.version };
    let body = Body::LinkPolicy(replica::link_policy(&kept));
    change::record(&mut tx, &Actor::of(&caller), "link_policy.update", subject, registry.now(), body).await?;
    tx.commit().await?;
    Ok(UpdateLinkPolicyResponse { link_policy: Some(tell(&kept)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_words() {
        assert!(OnNoMatch::ALL.iter().all(|one| read_on_no_match(on_no_match(*one).into()) == Some(*one)));
        assert!(
            OnFirstMessage::ALL.iter().all(|one| read_on_first_message(on_first_message(*one).into()) == Some(*one))
        );
        assert!(Assurance::ALL.iter().all(|one| read_assurance(replica::assurance(*one).into()) == Some(*one)));
        assert_eq!((read_on_no_match(0), read_on_first_message(9), read_assurance(0)), (None, None, None));
    }
}
