//! `TakeoverService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Part;
use chassis::postgres::TenantTx;
use contracts::identity::v1::takeover_service_server::TakeoverService;
use contracts::identity::v1::{
    ApproveTakeoverRequestRequest, ApproveTakeoverRequestResponse, DeclineTakeoverRequestRequest,
    DeclineTakeoverRequestResponse, GetTakeoverRequestRequest, GetTakeoverRequestResponse, ListTakeoverRequestsRequest,
    ListTakeoverRequestsResponse, TakeoverRequest as WireTakeover, TakeoverState as WireState,
};
use contracts::timestamp;
use identity_linking_core::link::{Note, TakeoverState, note};
use kernel::{CustomerId, Sight, TakeoverRequestId};
use tonic::{Request, Response, Status};

use super::etag;
use super::fields::Fields;
use super::refusal::Refusal;
use super::visibility;
use crate::linking::takeover as linking;
use crate::postgres::Position;
use crate::postgres::takeover::{self, StoredTakeover};
use crate::registry::Registry;
use crate::replica;

/// Requests to take a link over.
pub(crate) struct Takeovers(pub(crate) Registry);

#[tonic::async_trait]
impl TakeoverService for Takeovers {
    async fn get_takeover_request(
        &self,
        request: Request<GetTakeoverRequestRequest>,
    ) -> Result<Response<GetTakeoverRequestResponse>, Status> {
        Ok(Response::new(get(&self.0, request).await?))
    }

    async fn list_takeover_requests(
        &self,
        request: Request<ListTakeoverRequestsRequest>,
    ) -> Result<Response<ListTakeoverRequestsResponse>, Status> {
        Ok(Response::new(list(&self.0, request).await?))
    }

    async fn approve_takeover_request(
        &self,
        request: Request<ApproveTakeoverRequestRequest>,
    ) -> Result<Response<ApproveTakeoverRequestResponse>, Status> {
        let caller = Caller::of(&request);
        let ApproveTakeoverRequestRequest { takeover_request_id, note, etag } = request.into_inner();
        let said = (takeover_request_id.as_str(), note.as_str(), etag.as_str());
        let settled = settle(&self.0, &caller, said, TakeoverState::Approved).await?;
        Ok(Response::new(ApproveTakeoverRequestResponse { takeover_request: Some(tell(&settled)) }))
    }

    async fn decline_takeover_request(
        &self,
        request: Request<DeclineTakeoverRequestRequest>,
    ) -> Result<Response<DeclineTakeoverRequestResponse>, Status> {
        let caller = Caller::of(&request);
        let DeclineTakeoverRequestRequest { takeover_request_id, note, etag } = request.into_inner();
        let said = (takeover_request_id.as_str(), note.as_str(), etag.as_str());
        let settled = settle(&self.0, &caller, said, TakeoverState::Declined).await?;
        Ok(Response::new(DeclineTakeoverRequestResponse { takeover_request: Some(tell(&settled)) }))
    }
}

fn wire_state(state: TakeoverState) -> WireState {
    WireState::from_str_name(&format!("TAKEOVER_STATE_{}", state.as_str())).unwrap_or_default()
}

/// The state a number asks for: the outer none is a number that does not exist, the inner one asks for all.
#[expect(clippy::option_option, reason = "wrong, left out and given are three things")]
fn read_state(wire: i32) -> Option<Option<TakeoverState>> {
    match WireState::try_from(wire).ok()? {
        WireState::Unspecified => Some(None),
        state => TakeoverState::named(state.as_str_name().strip_prefix("TAKEOVER_STATE_")?).map(Some),
    }
}

fn tell(request: &StoredTakeover) -> WireTakeover {
    WireTakeover {
        takeover_request_id: request.id.to_string(),
        link_attempt_id: request.attempt.to_string(),
        customer_id: request.customer.to_string(),
        linked_friend_id: request.linked.to_string(),
        asking_friend_id: request.asking.to_string(),
        state: wire_state(request.state).into(),
        create_time: Some(timestamp(request.create_time)),
        expire_time: Some(timestamp(request.expire_time)),
        settle_time: request.settle_time.map(timestamp),
        staff_id: request.staff.map(|staff| staff.to_string()).unwrap_or_default(),
        note: replica::text(request.note.as_ref()),
        etag: etag::of(request.version),
    }
}

/// A request, if there is one that `sight` takes in.
async fn seen(tx: &mut TenantTx, sight: &Sight, found: Option<StoredTakeover>) -> Result<StoredTakeover, Refusal> {
    let seen = visibility::takeovers(tx, sight, found.into_iter().collect()).await?.pop();
    Ok(seen.ok_or_else(|| refuse::not_found("TAKEOVER_REQUEST"))?)
}

async fn get(
    registry: &Registry,
    request: Request<GetTakeoverRequestRequest>,
) -> Result<GetTakeoverRequestResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let id: Option<TakeoverRequestId> = fields.id("takeover_request_id", &request.get_ref().takeover_request_id);
    let id = fields.all(|| id)?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = takeover::find(&mut tx, id).await?;
    let found = seen(&mut tx, &caller.sight(), found).await?;
    Ok(GetTakeoverRequestResponse { takeover_request: Some(tell(&found)) })
}

async fn list(
    registry: &Registry,
    request: Request<ListTakeoverRequestsRequest>,
) -> Result<ListTakeoverRequestsResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page::<Position>(caller.tenant(), request.get_ref());
    let request = request.get_ref();
    let state = fields.take("state", read_state(request.state).ok_or("does not exist"));
    let only: Option<Option<CustomerId>> = fields.optional_id("customer_id", &request.customer_id);
    let (asked, state, only) = fields.all(|| Some((asked?, state?, only?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let sight = caller.sight();
    if let Some(id) = only {
        visibility::customer(&mut tx, &sight, id).await?;
    }
    let place = |last: &StoredTakeover| (last.create_time, last.id.uuid());
    let mut part = Part::of(&asked, &sight);
    while let Some(look) = part.look() {
        let rows = takeover::list(&mut tx, state, only, look.after, look.rows).await?;
        let looked = rows.iter().map(place).collect();
        part.add(looked, visibility::takeovers(&mut tx, &sight, rows).await?);
    }
    let (rows, next_page_token) = part.cut(place);
    Ok(ListTakeoverRequestsResponse { takeover_requests: rows.iter().map(tell).collect(), next_page_token })
}

fn check_open(request: &StoredTakeover, given_etag: &str) -> Result<(), Refusal> {
    etag::check(given_etag, request.version)?;
    if request.state != TakeoverState::Open {
        return Err(refuse::precondition("TAKEOVER_SETTLED", "the request is settled").into());
    }
    Ok(())
}

async fn settle(
    registry: &Registry,
    caller: &Caller,
    (id, text, given_etag): (&str, &str, &str),
    to: TakeoverState,
) -> Result<StoredTakeover, Refusal> {
    let mut fields = Fields::new();
    let id: Option<TakeoverRequestId> = fields.id("takeover_request_id", id);
    let said: Option<Note> = fields.take("note", note(text));
    let (id, said) = fields.all(|| Some((id?, said?)))?;
    let now = registry.now();
    let mut tx = registry.tenant_of(caller).await?;
    let sides = linking::lock(&mut tx, id).await?.ok_or_else(|| refuse::not_found("TAKEOVER_REQUEST"))?;
    seen(&mut tx, &caller.sight(), Some(sides.request.clone())).await?;
    check_open(&sides.request, given_etag)?;
    let settlement = (to, caller.staff().map(|staff| staff.id), Some(said));
    let actor = Actor::of(caller);
    let settled = if to == TakeoverState::Approved {
        linking::hand_over(&mut tx, &actor, now, sides, settlement, now).await?
    } else {
        linking::settle(&mut tx, &actor, now, sides.request, settlement).await?
    };
    tx.commit().await?;
    Ok(settled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_states() {
        for state in TakeoverState::ALL {
            assert_eq!(read_state(wire_state(*state).into()), Some(Some(*state)));
        }
        assert_eq!((read_state(0), read_state(99)), (Some(None), None));
    }
}
