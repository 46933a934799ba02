//! `LinkAttemptService`: reading, reviewing and inviting here; what internal services submit in its own module.

mod record;
mod submit;

use std::sync::Arc;

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Part;
use chassis::postgres::TenantTx;
use contracts::identity::v1::link_attempt_service_server::LinkAttemptService;
use contracts::identity::v1::resolve_link_attempt_request::Resolution as WireResolution;
use contracts::identity::v1::{
    Explanation as WireExplanation, GetLinkAttemptRequest, GetLinkAttemptResponse, InviteToLinkRequest,
    InviteToLinkResponse, IssueFormTokenRequest, IssueFormTokenResponse, LinkAttempt as WireAttempt,
    LinkAttemptState as WireState, LinkCandidate as WireCandidate, LinkMethod as WireMethod,
    LinkOutcome as WireOutcome, LinkReason as WireReason, ListLinkAttemptsRequest, ListLinkAttemptsResponse,
    NameLikeness as WireLikeness, ReconsiderLinkAttemptRequest, ReconsiderLinkAttemptResponse,
    ResolveLinkAttemptRequest, ResolveLinkAttemptResponse, Review as WireReview, SubmitLinkAttemptRequest,
    SubmitLinkAttemptResponse,
};
use contracts::timestamp;
use identity_linking_core::Likeness;
use identity_linking_core::account::AccountState;
use identity_linking_core::friendship::FriendshipState;
use identity_linking_core::link::{Answer, Card, note};
use identity_linking_core::matching::{
    Action, Alike, Candidate, Case, Decision, LinkMethod, Outcome, Reason, decide, explain, explain_review,
};
use kernel::{AccountId, CustomerId, FriendId, LinkAttemptId, Sight};
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::fields::Fields;
use super::refusal::Refusal;
use super::{etag, person, repeat, visibility};
use crate::change::{self, Subject};
use crate::linking::answer::{self, To};
use crate::linking::review::{self, Resolution, Reviewer};
use crate::linking::{Desk, form_token};
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{self, Filter, StoredAttempt};
use crate::postgres::{Position, account};
use crate::registry::Registry;
use crate::replica;

const INVITE: &str = "/tsunagi.identity.v1.LinkAttemptService/InviteToLink";

/// Attempts to link a LINE user to a customer.
pub(crate) struct LinkAttempts(pub(crate) Arc<Desk>);

#[tonic::async_trait]
impl LinkAttemptService for LinkAttempts {
    async fn issue_form_token(
        &self,
        request: Request<IssueFormTokenRequest>,
    ) -> Result<Response<IssueFormTokenResponse>, Status> {
        Ok(Response::new(issue(&self.0.registry, request).await?))
    }

    async fn submit_link_attempt(
        &self,
        request: Request<SubmitLinkAttemptRequest>,
    ) -> Result<Response<SubmitLinkAttemptResponse>, Status> {
        Ok(Response::new(submit::submit(&self.0, request).await?))
    }

    async fn invite_to_link(
        &self,
        request: Request<InviteToLinkRequest>,
    ) -> Result<Response<InviteToLinkResponse>, Status> {
        Ok(Response::new(invite(&self.0, request).await?))
    }

    async fn get_link_attempt(
        &self,
        request: Request<GetLinkAttemptRequest>,
    ) -> Result<Response<GetLinkAttemptResponse>, Status> {
        Ok(Response::new(get(&self.0.registry, request).await?))
    }

    async fn list_link_attempts(
        &self,
        request: Request<ListLinkAttemptsRequest>,
    ) -> Result<Response<ListLinkAttemptsResponse>, Status> {
        Ok(Response::new(list(&self.0.registry, request).await?))
    }

    async fn reconsider_link_attempt(
        &self,
        request: Request<ReconsiderLinkAttemptRequest>,
    ) -> Result<Response<ReconsiderLinkAttemptResponse>, Status> {
        Ok(Response::new(reconsider(&self.0.registry, request).await?))
    }

    async fn resolve_link_attempt(
        &self,
        request: Request<ResolveLinkAttemptRequest>,
    ) -> Result<Response<ResolveLinkAttemptResponse>, Status> {
        Ok(Response::new(resolve(&self.0.registry, request).await?))
    }
}

fn method(method: LinkMethod) -> WireMethod {
    WireMethod::from_str_name(&format!("LINK_METHOD_{}", method.as_str())).unwrap_or_default()
}

fn outcome(outcome: Outcome) -> WireOutcome {
    WireOutcome::from_str_name(&format!("LINK_OUTCOME_{}", outcome.as_str())).unwrap_or_default()
}

fn reason(reason: Reason) -> WireReason {
    WireReason::from_str_name(&format!("LINK_REASON_{}", reason.as_str())).unwrap_or_default()
}

fn likeness(likeness: Likeness) -> WireLikeness {
    WireLikeness::from_str_name(&format!("NAME_LIKENESS_{}", likeness.as_str())).unwrap_or_default()
}

fn candidate(candidate: &Candidate) -> WireCandidate {
    WireCandidate {
        customer_id: candidate.customer.to_string(),
        name: likeness(candidate.name).into(),
        has_mobile: candidate.has_mobile,
        has_other_line_user: candidate.has_other_line_user,
        told_apart: candidate.told_apart,
    }
}

/// The method of an internal service's page; none for the others.
fn page_method(wire: WireMethod) -> Option<LinkMethod> {
    match wire {
        WireMethod::BookingPage => Some(LinkMethod::BookingPage),
        WireMethod::LandingPage => Some(LinkMethod::LandingPage),
        _ => None,
    }
}

/// The rules' own decision, made again from what they looked at, and what became of it in the review queue.
fn explanation(attempt: &StoredAttempt) -> Option<WireExplanation> {
    let decided = attempt.decided?;
    let alike = attempt.facts.as_ref().map(Alike::of).unwrap_or_default();
    // Facts that are not there, or of rules that are not these, leave what was decided.
    let (outcome, reason) = (decided.outcome, decided.reason);
    let kept = Decision { outcome, reason, action: Action::Nothing, suspicions: Vec::new() };
    let decision = attempt.facts.as_ref().map_or(kept, decide);
    let told = explain(attempt.method, &decision, &alike);
    let Some(_) = attempt.review else { return Some(WireExplanation { ja: told.ja, en: told.en }) };
    let since = explain_review(outcome);
    Some(WireExplanation { ja: told.ja + &since.ja, en: format!("{} {}", told.en, since.en) })
}

fn tell(attempt: &StoredAttempt) -> WireAttempt {
    let decided = attempt.decided.as_ref();
    let state = if decided.is_some() { WireState::Decided } else { WireState::Pending };
    let candidates = attempt.facts.as_ref().map(Case::candidates).unwrap_or_default();
    WireAttempt {
        link_attempt_id: attempt.id.to_string(),
        method: method(attempt.method).into(),
        state: state.into(),
        account_id: attempt.account.to_string(),
        friend_id: attempt.friend.to_string(),
        name: attempt.name.as_ref().map(person::tell_name),
        mobile_number: attempt.mobile.as_ref().map(|mobile| mobile.as_str().to_owned()).unwrap_or_default(),
        submit_time: Some(timestamp(attempt.submit_time)),
        decide_time: decided.map(|decided| timestamp(decided.time)),
        outcome: decided.map_or(0, |decided| outcome(decided.outcome).into()),
        reason: decided.map_or(0, |decided| reason(decided.reason).into()),
        customer_id: attempt.customer.map(|id| id.to_string()).unwrap_or_default(),
        candidates: candidates.iter().map(candidate).collect(),
        explanation: explanation(attempt),
        activity_id: attempt.activity.map(|id| id.to_string()).unwrap_or_default(),
        inquiry_id: attempt.inquiry.map(|id| id.to_string()).unwrap_or_default(),
        takeover_request_id: attempt.takeover.map(|id| id.to_string()).unwrap_or_default(),
        review: attempt.review.as_ref().map(|review| WireReview {
            review_time: Some(timestamp(review.time)),
            staff_id: review.staff.map(|id| id.to_string()).unwrap_or_default(),
            note: replica::text(review.note.as_ref()),
        }),
        etag: etag::of(attempt.version),
    }
}

/// A LINE user who is a friend of a connected account, and whom `sight` takes in there.
async fn reachable(
    tx: &mut TenantTx,
    sight: &Sight,
    id: AccountId,
    friend: FriendId,
) -> Result<StoredLineUser, Refusal> {
    let account = account::find(tx, id).await?.ok_or_else(|| refuse::not_found("ACCOUNT"))?;
    let found = visibility::friend(tx, sight, id, friend).await?;
    if account.stored.value.state != AccountState::Connected {
        return Err(refuse::precondition("ACCOUNT_NOT_CONNECTED", "the account is not connected").into());
    }
    if found.friendship.value.state() == FriendshipState::Blocked {
        return Err(refuse::precondition("NOT_A_FRIEND", "the LINE user blocked the account").into());
    }
    Ok(found.line_user)
}

async fn issue(
    registry: &Registry,
    request: Request<IssueFormTokenRequest>,
) -> Result<IssueFormTokenResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let account: Option<AccountId> = fields.id("account_id", &request.account_id);
    let friend: Option<FriendId> = fields.id("friend_id", &request.friend_id);
    let method = fields.take("method", page_method(request.method()).ok_or("is not BOOKING_PAGE or LANDING_PAGE"));
    let (account, friend, method) = fields.all(|| Some((account?, friend?, method?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    reachable(&mut tx, &caller.sight(), account, friend).await?;
    let (token, issued) = form_token::issue(&mut tx, registry.now(), account, friend, method).await?;
    tx.commit().await?;
    Ok(IssueFormTokenResponse { form_token: token.reveal(), expire_time: Some(timestamp(issued.expire_time)) })
}

async fn invite(desk: &Desk, request: Request<InviteToLinkRequest>) -> Result<InviteToLinkResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let account: Option<AccountId> = fields.id("account_id", &request.account_id);
    let friend: Option<FriendId> = fields.id("friend_id", &request.friend_id);
    let (account, friend) = fields.all(|| Some((account?, friend?)))?;
    let now = desk.registry.now();
    let mut tx = desk.registry.tenant_of(&caller).await?;
    let user = reachable(&mut tx, &caller.sight(), account, friend).await?;
    if let Some(answer) = repeat::answered(&mut tx, INVITE, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let (token, _) = form_token::issue(&mut tx, now, account, friend, LinkMethod::LinkForm).await?;
    let card = Answer::Card(Card::Link, form_token::address(&desk.pages_url, &token));
    let id = Uuid::now_v7();
    answer::unasked(&mut tx, now, To { account, user: &user.line_user_id }, id, &card).await?;
    let subject = Subject { kind: "friend", id: friend.uuid(), version: user.version };
    change::note(&mut tx, &Actor::of(&caller), "friend.invite_to_link", subject, json!({ "account": account })).await?;
    let answer = InviteToLinkResponse {};
    repeat::keep(&mut tx, INVITE, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn get(registry: &Registry, request: Request<GetLinkAttemptRequest>) -> Result<GetLinkAttemptResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let id: Option<LinkAttemptId> = fields.id("link_attempt_id", &request.get_ref().link_attempt_id);
    let id = fields.all(|| id)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = visibility::attempt(&mut tx, &caller.sight(), id).await?;
    Ok(GetLinkAttemptResponse { link_attempt: Some(tell(&found)) })
}

async fn list(
    registry: &Registry,
    request: Request<ListLinkAttemptsRequest>,
) -> Result<ListLinkAttemptsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(caller.tenant(), request.get_ref());
    let request = request.get_ref();
    let customer: Option<Option<CustomerId>> = fields.optional_id("customer_id", &request.customer_id);
    let friend: Option<Option<FriendId>> = fields.optional_id("friend_id", &request.friend_id);
    let (asked, customer, friend) = fields.all(|| Some((asked?, customer?, friend?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let sight = caller.sight();
    if let Some(id) = customer {
        visibility::customer(&mut tx, &sight, id).await?;
    }
    if let Some(id) = friend {
        visibility::line_user(&mut tx, &sight, id).await?;
    }
    let filter = Filter { customer, friend, review_queue: request.review_queue };
    let place = |last: &StoredAttempt| (last.submit_time, last.id.uuid());
    let mut part = Part::of(&asked, &sight);
    while let Some(look) = part.look() {
        let rows = link_attempt::list(&mut tx, filter, look.after, look.rows).await?;
        let looked = rows.iter().map(place).collect();
        part.add(looked, visibility::attempts(&mut tx, &sight, rows).await?);
    }
    let (rows, next_page_token) = part.cut(place);
    Ok(ListLinkAttemptsResponse { link_attempts: rows.iter().map(tell).collect(), next_page_token })
}

async fn reconsider(
    registry: &Registry,
    request: Request<ReconsiderLinkAttemptRequest>,
) -> Result<ReconsiderLinkAttemptResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id: Option<LinkAttemptId> = fields.id("link_attempt_id", &request.link_attempt_id);
    let id = fields.all(|| id)?;
    let is_current = |version| etag::check(&request.etag, version).is_ok();
    let mut tx = registry.tenant_of(&caller).await?;
    visibility::attempt(&mut tx, &caller.sight(), id).await?;
    let decided = review::reconsider(&mut tx, &Actor::of(&caller), registry.now(), id, is_current).await?;
    tx.commit().await?;
    Ok(ReconsiderLinkAttemptResponse { link_attempt: Some(tell(&decided)) })
}

async fn resolve(
    registry: &Registry,
    request: Request<ResolveLinkAttemptRequest>,
) -> Result<ResolveLinkAttemptResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id: Option<LinkAttemptId> = fields.id("link_attempt_id", &request.link_attempt_id);
    let said = fields.take("note", note(&request.note));
    let resolution = match &request.resolution {
        Some(WireResolution::CustomerId(id)) => fields.id("customer_id", id).map(Resolution::Customer),
        Some(WireResolution::CreateCustomer(true)) => Some(Resolution::New),
        Some(WireResolution::Dismiss(true)) => Some(Resolution::Nothing),
        _ => fields.take("resolution", Err("is required")),
    };
    let (id, note, resolution) = fields.all(|| Some((id?, said?, resolution?)))?;
    let actor = Actor::of(&caller);
    let reviewer = Reviewer { actor: &actor, staff: caller.staff().map(|staff| staff.id), note };
    let is_current = |version| etag::check(&request.etag, version).is_ok();
    let mut tx = registry.tenant_of(&caller).await?;
    let sight = caller.sight();
    visibility::attempt(&mut tx, &sight, id).await?;
    if let Resolution::Customer(chosen) = resolution {
        visibility::customer(&mut tx, &sight, chosen).await?;
    }
    let settled = review::resolve(&mut tx, reviewer, registry.now(), id, is_current, resolution).await?;
    tx.commit().await?;
    Ok(ResolveLinkAttemptResponse { link_attempt: Some(tell(&settled)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_words() {
        assert!(LinkMethod::ALL.iter().all(|one| method(*one) != WireMethod::Unspecified));
        assert!(Outcome::ALL.iter().all(|one| outcome(*one) != WireOutcome::Unspecified));
        assert!(Reason::ALL.iter().all(|one| reason(*one) != WireReason::Unspecified));
        assert!(Likeness::ALL.iter().all(|one| likeness(*one) != WireLikeness::Unspecified));
    }
}
