//! What internal services submit from their own pages: bookings and registrations. The activity stands whatever becomes of the link.

use std::net::IpAddr;

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::{SubmitLinkAttemptRequest, SubmitLinkAttemptResponse};
use identity_linking_core::activity::Activity;
use identity_linking_core::link::{FormToken, IssuedFormToken};
use identity_linking_core::matching::{Case, LinkMethod, OnNoMatch};
use identity_linking_core::{Customer, MobileNumber, NameKeys, PersonName, Phone, PhoneKind, Tenant};
use kernel::{CustomerId, FriendId, ProviderId, Timestamp};
use tonic::{Request, Status};
use uuid::Uuid;

use super::{page_method, tell};
use crate::change::{self, Subject};
use crate::grpc::fields::Fields;
use crate::grpc::refusal::Refusal;
use crate::grpc::{activity, person, repeat};
use crate::linking::Desk;
use crate::linking::submission::{self, Claim};
use crate::postgres::activity::{StoredActivity, find_by_reference};
use crate::postgres::candidate::{self, Typed};
use crate::postgres::customer::StoredCustomer;
use crate::postgres::{Stored, customer, form_token, friend, tenant};
use crate::replica;

const SUBMIT: &str = "/tsunagi.identity.v1.LinkAttemptService/SubmitLinkAttempt";

/// What was submitted, read.
struct Submission {
    method: LinkMethod,
    token: Option<FormToken>,
    name: PersonName,
    mobile: MobileNumber,
    activity: Option<Activity>,
    address: Option<IpAddr>,
}

fn read(request: &SubmitLinkAttemptRequest, tenant: &Tenant) -> Result<Submission, Status> {
    let mut fields = Fields::new();
    let method = fields.take("method", page_method(request.method()).ok_or("is not BOOKING_PAGE or LANDING_PAGE"));
    let name = person::name(&mut fields, "name", &request.name.clone().unwrap_or_default());
    let mobile = MobileNumber::optional(&request.mobile_number, tenant.time_zone.calling_region());
    let mobile = fields
        .take("mobile_number", mobile)
        .and_then(|mobile| fields.take("mobile_number", mobile.ok_or("is required")));
    let activity = match &request.activity {
        Some(wanted) => activity::read_unowned(&mut fields, wanted).map(Some),
        None => Some(None),
    };
    let address = match request.client_address.as_str() {
        "" => Some(None),
        text => fields.take("client_address", text.parse().map(Some).map_err(|_| "is not an IP address")),
    };
    let token = match request.form_token.as_str() {
        "" => Some(None),
        text => fields.take("form_token", FormToken::parse(text).map(Some).ok_or("is not a form token")),
    };
    fields.all(|| {
        Some(Submission {
            method: method?,
            token: token?,
            name: name?,
            mobile: mobile?,
            activity: activity?,
            address: address?,
        })
    })
}

pub(super) async fn submit(
    desk: &Desk,
    request: Request<SubmitLinkAttemptRequest>,
) -> Result<SubmitLinkAttemptResponse, Refusal> {
    let caller = Caller::of(&request);
    let request = request.into_inner();
    let mut tx = desk.registry.tenant_of(&caller).await?;
    let tenant = tenant::find(&mut tx).await?.ok_or_else(|| refuse::not_found("TENANT"))?.value;
    let submission = read(&request, &tenant)?;
    let issued = match &submission.token {
        Some(token) => known(&mut tx, token, submission.method).await?,
        None => None,
    };
    let user = match &issued {
        Some(issued) => friend::find(&mut tx, issued.friend).await?,
        None => None,
    };
    tx.rollback().await?;
    // LINE is asked outside of any transaction. When LINE is away the activity stands all the same, and the token stays good.
    let is_fresh = issued.is_some_and(|issued| issued.state(desk.registry.now()).refusal().is_none());
    let link_token = match (&issued, &user) {
        (Some(issued), Some(user)) if is_fresh => {
            submission::link_token(desk, caller.tenant(), issued, &user.line_user_id).await.ok()
        }
        _ => None,
    };
    let now = desk.registry.now();
    let actor = Actor::of(&caller);
    let mut tx = desk.registry.tenant_of(&caller).await?;
    if let Some(answer) = repeat::answered(&mut tx, SUBMIT, &request.request_id, &request).await? {
        return Ok(answer);
    }
    let (activity, own_customer) = match &submission.activity {
        Some(told) => record(&mut tx, &actor, now, &submission, told).await?,
        None => (None, None),
    };
    let claim = Claim {
        name: submission.name.clone(),
        mobile: Some(submission.mobile.clone()),
        inquiry: None,
        address: submission.address.map(|address| desk.address_keys.hash(caller.tenant(), address)),
        activity: activity.as_ref().map(|activity| activity.id),
        own_customer,
    };
    let mut answer =
        SubmitLinkAttemptResponse { activity: activity.as_ref().map(activity::tell), ..Default::default() };
    if let Some(token) = &submission.token {
        // Locked, as it stands now: somebody else may have submitted with it.
        let issued = form_token::lock(&mut tx, token).await?.filter(|issued| issued.method == submission.method);
        match (issued, link_token) {
            (Some(issued), link_token) => match (issued.state(now).refusal(), link_token) {
                (Some(refusal), _) => {
                    let refused = submission::refuse(&mut tx, now, &issued, claim, refusal).await?;
                    answer.link_attempt = Some(tell(&refused));
                }
                (None, Some(link_token)) => {
                    let placed = submission::place(desk, &mut tx, now, (token, &issued), claim, &link_token).await?;
                    answer.link_attempt = Some(tell(&placed.attempt));
                    answer.redirect_uri = placed.dialog.to_string();
                }
                (None, None) => {}
            },
            // Nothing is told of a token that is unknown, or another form's: whoever typed it is told what everybody is told.
            (None, _) => metrics::counter!("tsunagi_identity_unknown_form_tokens_total").increment(1),
        }
    }
    repeat::keep(&mut tx, SUBMIT, &request.request_id, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// A token of the tenant for this form; another tenant's is as unknown as one that never was.
async fn known(
    tx: &mut TenantTx,
    token: &FormToken,
    method: LinkMethod,
) -> Result<Option<IssuedFormToken>, sqlx::Error> {
    if token.tenant() != tx.tenant() {
        return Ok(None);
    }
    Ok(form_token::find(tx, token).await?.filter(|issued| issued.method == method))
}

/// Records the activity on the one customer who matches, or on a new one; the new one is told.
async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    submission: &Submission,
    told: &Activity,
) -> Result<(Option<StoredActivity>, Option<CustomerId>), Refusal> {
    let known = find_by_reference(tx, told.kind, &told.external_reference).await?;
    // The same booking again stays with whom it is.
    let (customer, own) = if let Some(known) = known {
        (known.value.customer, None)
    } else {
        owner(tx, actor, now, submission, told).await?
    };
    let told = Activity { customer, ..told.clone() };
    let kept = activity::keep(tx, actor, told, "", now).await?;
    Ok((Some(kept), own))
}

/// The one customer who matches; else a new one, which is told.
async fn owner(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    submission: &Submission,
    told: &Activity,
) -> Result<(CustomerId, Option<CustomerId>), Refusal> {
    let typed = Typed { name: NameKeys::of(&submission.name), mobile: Some(submission.mobile.clone()) };
    candidate::lock_keys(tx, &typed).await?;
    let near = candidate::near(tx, &typed).await?;
    // Nobody of LINE is looked at here: who booked is one thing, and whose LINE it is another.
    let (nobody, nowhere) = (FriendId::from(Uuid::nil()), ProviderId::from(Uuid::nil()));
    let candidates = candidate::compare(tx, &near, &typed, nowhere, nobody).await?;
    let case = Case::new(submission.method, OnNoMatch::Create, None, None, candidates);
    if let Some(one) = case.sole_match() {
        return Ok((one, None));
    }
    let made = make(tx, actor, now, submission, told).await?;
    Ok((made, Some(made)))
}

/// Makes a customer of what was typed. An activity comes with it, so it is not provisional (D-9).
async fn make(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    submission: &Submission,
    told: &Activity,
) -> Result<CustomerId, Refusal> {
    let value = Customer {
        name: submission.name.clone(),
        phones: vec![Phone::kept(submission.mobile.as_str().to_owned(), true, Some(PhoneKind::Mobile))],
        addresses: Vec::new(),
        birth_date: None,
        organization: told.organization,
        external_reference: None,
        provisional: false,
    };
    let stored = Stored { id: CustomerId::new(now), version: 1, create_time: now, value };
    let kept = StoredCustomer { stored, update_time: now, merged_into: None };
    customer::insert(tx, &kept).await?;
    let subject = Subject { kind: "customer", id: kept.stored.id.uuid(), version: 1 };
    change::record(tx, actor, "customer.create", subject, now, Body::Customer(replica::customer(&kept))).await?;
    Ok(kept.stored.id)
}
