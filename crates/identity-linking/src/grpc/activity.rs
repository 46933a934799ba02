//! The activities of `CustomerService`.

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::{
    Activity as WireActivity, ActivityKind as WireKind, ActivityState as WireState, GetActivityRequest,
    GetActivityResponse, ListActivitiesRequest, ListActivitiesResponse, RecordActivityRequest, RecordActivityResponse,
};
use contracts::timestamp;
use identity_linking_core::activity::{self as rules, Activity, ActivityKind, ActivityState, Recorded, check_times};
use identity_linking_core::visibility::Whose;
use identity_linking_core::{ExternalReference, Line};
use kernel::{ActivityId, CustomerId, Sight, Timestamp};
use tonic::Request;

use super::fields::Fields;
use super::refusal::Refusal;
use super::{etag, repeat, visibility};
use crate::change::{self, Subject};
use crate::linking::ledger;
use crate::postgres::activity::{self, StoredActivity};
use crate::postgres::customer;
use crate::registry::Registry;
use crate::replica;

const RECORD: &str = "/tsunagi.identity.v1.CustomerService/RecordActivity";

fn wire_kind(kind: ActivityKind) -> WireKind {
    WireKind::from_str_name(&format!("ACTIVITY_KIND_{}", kind.as_str())).unwrap_or_default()
}

fn read_kind(wire: WireKind) -> Option<ActivityKind> {
    ActivityKind::named(wire.as_str_name().strip_prefix("ACTIVITY_KIND_")?)
}

fn wire_state(state: ActivityState) -> WireState {
    WireState::from_str_name(&format!("ACTIVITY_STATE_{}", state.as_str())).unwrap_or_default()
}

fn read_state(wire: WireState) -> Option<ActivityState> {
    ActivityState::named(wire.as_str_name().strip_prefix("ACTIVITY_STATE_")?)
}

pub(super) fn tell(activity: &StoredActivity) -> WireActivity {
    let value = &activity.value;
    WireActivity {
        activity_id: activity.id.to_string(),
        customer_id: value.customer.to_string(),
        kind: wire_kind(value.kind).into(),
        external_reference: value.external_reference.as_str().to_owned(),
        state: wire_state(value.state).into(),
        title: replica::text(value.title.as_ref()),
        start_time: Some(timestamp(value.start)),
        end_time: value.end.map(timestamp),
        organization_id: replica::optional(value.organization),
        etag: etag::of(activity.version),
    }
}

/// Reads an activity whose customer is found or made by whoever reads it.
pub(super) fn read_unowned(fields: &mut Fields, wanted: &WireActivity) -> Option<Activity> {
    if !wanted.customer_id.is_empty() {
        fields.wrong("activity.customer_id", "is found or made here and not to be given");
    }
    read_of(fields, wanted, Some(CustomerId::from(uuid::Uuid::nil())))
}

fn read(fields: &mut Fields, wanted: &WireActivity) -> Option<Activity> {
    let customer = fields.id("activity.customer_id", &wanted.customer_id);
    read_of(fields, wanted, customer)
}

fn read_of(fields: &mut Fields, wanted: &WireActivity, customer: Option<CustomerId>) -> Option<Activity> {
    let kind = fields.named("activity.kind", wanted.kind, read_kind(wanted.kind()));
    let reference = fields.take("activity.external_reference", ExternalReference::parse(&wanted.external_reference));
    let state = match WireState::try_from(wanted.state) {
        Ok(WireState::Unspecified) => Some(ActivityState::Active),
        Ok(state) => read_state(state),
        Err(_) => None,
    };
    let state = fields.take("activity.state", state.ok_or("does not exist"));
    let title = fields.take("activity.title", Line::optional(&wanted.title));
    let start = fields.optional_time("activity.start_time", wanted.start_time.as_ref());
    let start = start.and_then(|start| fields.take("activity.start_time", start.ok_or("is required")));
    let end = fields.optional_time("activity.end_time", wanted.end_time.as_ref());
    let organization = fields.optional_id("activity.organization_id", &wanted.organization_id);
    let (start, end) = (start?, end?);
    fields.take("activity.end_time", check_times(start, end))?;
    Some(Activity {
        customer: customer?,
        kind: kind?,
        external_reference: reference?,
        state: state?,
        title: title?,
        start,
        end,
        organization: organization?,
    })
}

pub(super) async fn record(
    registry: &Registry,
    request: Request<RecordActivityRequest>,
) -> Result<RecordActivityResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let wanted = request.activity.clone().unwrap_or_default();
    let mut fields = Fields::new();
    let told = read(&mut fields, &wanted);
    let told = fields.all(|| told)?;
    let now = registry.now();
    let actor = Actor::of(&caller);
    let sight = caller.sight();
    let mut tx = registry.tenant_of(&caller).await?;
    visibility::customer(&mut tx, &sight, told.customer).await?;
    if let Some(answer) = repeat::answered(&mut tx, RECORD, &request.request_id, &request).await? {
        return Ok(answer);
    }
    // Whoever submits the same one at this moment finds it, and makes no customer for it.
    activity::lock_reference(&mut tx, told.kind, &told.external_reference).await?;
    let kept = keep(&mut tx, &actor, &sight, told, &wanted.etag, now).await?;
    let answer = RecordActivityResponse { activity: Some(tell(&kept)) };
    repeat::keep(&mut tx, RECORD, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Keeps an activity as it was told: a new one, or the one of its kind and reference changed, if `sight` takes that one in.
pub(super) async fn keep(
    tx: &mut TenantTx,
    actor: &Actor,
    sight: &Sight,
    told: Activity,
    given_etag: &str,
    now: Timestamp,
) -> Result<StoredActivity, Refusal> {
    // The customer first, as everybody locks them in this order; an activity ends its provisional time (D-9).
    let customer = visibility::seen_customer(customer::lock(tx, told.customer).await?, sight)?;
    if customer.merged_into.is_some() {
        return Err(refuse::precondition("CUSTOMER_ABSORBED", "the customer was absorbed by another").into());
    }
    let new = StoredActivity { id: ActivityId::new(now), version: 1, value: told };
    let kept = if activity::insert_if_new(tx, &new).await? {
        new
    } else {
        let known = activity::lock_by_reference(tx, new.value.kind, &new.value.external_reference).await?;
        // Nobody ever removes an activity.
        let known = known.ok_or_else(|| refuse::aborted("ETAG_MISMATCH"))?;
        let known = seen(tx, Some(known), sight).await?;
        etag::check(given_etag, known.version)?;
        match rules::record(Some(&known.value), &new.value)? {
            Recorded::Same => return Ok(known),
            Recorded::New | Recorded::Changed => {
                let kept = StoredActivity { id: known.id, version: known.version + 1, value: new.value };
                activity::update(tx, &kept).await?;
                kept
            }
        }
    };
    if customer.stored.value.provisional {
        ledger::touch(tx, actor, now, customer.stored.id).await?;
    }
    let subject = Subject { kind: "activity", id: kept.id.uuid(), version: kept.version };
    change::record(tx, actor, "activity.record", subject, now, Body::Activity(replica::activity(&kept))).await?;
    Ok(kept)
}

/// An activity, if there is one that `sight` takes in.
async fn seen(tx: &mut TenantTx, found: Option<StoredActivity>, sight: &Sight) -> Result<StoredActivity, Refusal> {
    let found = found.ok_or_else(|| refuse::not_found("ACTIVITY"))?;
    let customer =
        customer::find(tx, found.value.customer).await?.and_then(|customer| customer.stored.value.organization);
    if Whose::activity(customer, found.value.organization).is_seen(sight) {
        Ok(found)
    } else {
        Err(refuse::not_found("ACTIVITY").into())
    }
}

pub(super) async fn get(
    registry: &Registry,
    request: Request<GetActivityRequest>,
) -> Result<GetActivityResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let by_reference = request.activity_id.is_empty() && !request.external_reference.is_empty();
    let mut fields = Fields::new();
    let id = (!by_reference).then(|| fields.id("activity_id", &request.activity_id)).flatten();
    let reference = by_reference.then(|| {
        let kind = fields.named("kind", request.kind, read_kind(request.kind()));
        let reference = fields.take("external_reference", ExternalReference::parse(&request.external_reference));
        kind.zip(reference)
    });
    fields.all(|| Some(()))?;
    let mut tx = registry.tenant_of(&caller).await?;
    let found = match (id, reference.flatten()) {
        (Some(id), _) => activity::find(&mut tx, id).await?,
        (None, Some((kind, reference))) => activity::find_by_reference(&mut tx, kind, &reference).await?,
        (None, None) => None,
    };
    let found = seen(&mut tx, found, &caller.sight()).await?;
    Ok(GetActivityResponse { activity: Some(tell(&found)) })
}

pub(super) async fn list(
    registry: &Registry,
    request: Request<ListActivitiesRequest>,
) -> Result<ListActivitiesResponse, Refusal> {
    let caller = Caller::of(&request);
    let mut fields = Fields::new();
    let asked = fields.page(caller.tenant(), request.get_ref());
    let customer: Option<CustomerId> = fields.id("customer_id", &request.get_ref().customer_id);
    let (asked, customer) = fields.all(|| Some((asked?, customer?)))?;
    let mut tx = registry.tenant_of(&caller).await?;
    visibility::customer(&mut tx, &caller.sight(), customer).await?;
    let rows = activity::list(&mut tx, customer, asked.after, asked.rows()).await?;
    let (rows, next_page_token) = asked.cut(rows, |last| (last.value.start, last.id.uuid()));
    Ok(ListActivitiesResponse { activities: rows.iter().map(tell).collect(), next_page_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_the_wire_know_the_same_kinds_and_states() {
        assert!(ActivityKind::ALL.iter().all(|kind| read_kind(wire_kind(*kind)) == Some(*kind)));
        assert!(ActivityState::ALL.iter().all(|state| read_state(wire_state(*state)) == Some(*state)));
        let kinds = (1..100).filter(|number| WireKind::try_from(*number).is_ok()).count();
        let states = (1..100).filter(|number| WireState::try_from(*number).is_ok()).count();
        assert_eq!((kinds, states), (ActivityKind::ALL.len(), ActivityState::ALL.len()));
    }
}
