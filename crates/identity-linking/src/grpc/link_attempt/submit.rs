//! What internal services submit from their own pages: bookings and registrations. The activity stands whatever becomes of the link.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use chassis::audit::Actor;
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::postgres::TenantTx;
use contracts::identity::v1::{
    Activity as WireActivity, LinkAttempt as WireAttempt, SubmitLinkAttemptRequest, SubmitLinkAttemptResponse,
};
use identity_linking_core::activity::Activity;
use identity_linking_core::link::{FormToken, IssuedFormToken, NoLinkToken};
use identity_linking_core::matching::{LinkMethod, Refusal as Refused};
use identity_linking_core::{MobileNumber, PersonName, Tenant};
use kernel::{FriendId, TenantId, Timestamp};
use tonic::{Request, Status};

use super::record::{Recorded, Teller, record};
use super::{page_method, tell};
use crate::grpc::fields::Fields;
use crate::grpc::refusal::Refusal;
use crate::grpc::{activity, person, repeat};
use crate::linking::submission::{self, Claim};
use crate::linking::{Desk, telling};
use crate::postgres::activity as activities;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::StoredAttempt;
use crate::postgres::{form_token, friend, link_attempt, tenant};

/// What a caller is told to wait when LINE is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Most LINE users a customer is linked to, as providers go, that a submission is tried again for.
const MOST_OTHERS: usize = 8;
const SUBMIT: &str = "/tsunagi.identity.v1.LinkAttemptService/SubmitLinkAttempt";

/// What was submitted, read.
pub(super) struct Submission {
    pub(super) method: LinkMethod,
    pub(super) token: Option<FormToken>,
    pub(super) name: PersonName,
    pub(super) mobile: MobileNumber,
    pub(super) activity: Option<Activity>,
    pub(super) address: Option<IpAddr>,
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
    if request.form_token.is_empty() && request.activity.is_none() {
        fields.wrong("form_token", "or activity is required");
    }
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

/// What LINE said when it was asked for a link token.
enum Line {
    /// There was nothing to ask: no form token, or one that is good for nothing.
    NotAsked,
    /// The token.
    Token(String),
    /// None will ever come.
    Refuses(Refused),
    /// LINE, or the way there, is away.
    Away,
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
    if let Some(before) = repeat::answered(&mut tx, SUBMIT, &request.request_id, &request).await? {
        return again(desk, tx, before).await;
    }
    let issued = match &submission.token {
        Some(token) => known(&mut tx, token, submission.method).await?,
        None => None,
    };
    let user = match &issued {
        Some(issued) => friend::find(&mut tx, issued.friend).await?,
        None => None,
    };
    tx.rollback().await?;
    let now = desk.registry.now();
    let line = match (&issued, &user) {
        (Some(issued), Some(user)) if issued.state(now).refusal().is_none() => {
            ask(desk, caller.tenant(), issued, user).await
        }
        _ => Line::NotAsked,
    };
    let actor = Actor::of(&caller);
    let is_away = matches!(line, Line::Away);
    let mut others = BTreeSet::new();
    let (mut tx, issued, activity, own_customer) = loop {
        let mut tx = desk.registry.tenant_of(&caller).await?;
        // What failed is not answered, so that whoever comes again is heard.
        if !is_away && let Some(before) = repeat::answered(&mut tx, SUBMIT, &request.request_id, &request).await? {
            return again(desk, tx, before).await;
        }
        let (issued, locked) = hold(&mut tx, &submission, &others).await?;
        match record(&mut tx, &actor, now, &submission, teller(issued, now), &locked).await? {
            Recorded::Kept(activity, own_customer) => break (tx, issued, activity, own_customer),
            Recorded::LockFirst(_) if others.len() == MOST_OTHERS => {
                return Err(refuse::aborted("ETAG_MISMATCH").into());
            }
            Recorded::LockFirst(other) => {
                others.insert(other);
                tx.rollback().await?;
            }
        }
    };
    if is_away {
        // What the person did stands; the form token stays good, and the same booking is found again.
        tx.commit().await?;
        return Err(refuse::unavailable("LINE_UNAVAILABLE", RETRY_AFTER).into());
    }
    let claim = Claim {
        name: submission.name.clone(),
        mobile: Some(submission.mobile.clone()),
        inquiry: None,
        address: submission.address.map(|address| desk.address_keys.hash(caller.tenant(), address)),
        activity: activity.as_ref().map(|activity| activity.id),
        own_customer,
    };
    let (attempt, redirect_uri) = match &submission.token {
        Some(token) => place(desk, &mut tx, &actor, now, (token, issued), claim, line).await?,
        None => (None, String::new()),
    };
    // What is kept names things and holds nothing of them, nor where the browser was sent.
    let kept = SubmitLinkAttemptResponse {
        link_attempt: attempt
            .as_ref()
            .map(|attempt| WireAttempt { link_attempt_id: attempt.id.to_string(), ..Default::default() }),
        activity: activity
            .as_ref()
            .map(|activity| WireActivity { activity_id: activity.id.to_string(), ..Default::default() }),
        redirect_uri: String::new(),
    };
    repeat::keep(&mut tx, SUBMIT, &request.request_id, &kept).await?;
    tx.commit().await?;
    Ok(SubmitLinkAttemptResponse {
        link_attempt: attempt.as_ref().map(tell),
        activity: activity.as_ref().map(activity::tell),
        redirect_uri,
    })
}

/// Asks LINE for a link token; outside of any transaction.
async fn ask(desk: &Desk, tenant: TenantId, issued: &IssuedFormToken, user: &StoredLineUser) -> Line {
    match submission::link_token(desk, tenant, issued.account, &user.line_user_id).await {
        Ok(token) => Line::Token(token),
        Err(NoLinkToken::Away) => Line::Away,
        Err(NoLinkToken::Refused(refusal)) => Line::Refuses(refusal),
    }
}

/// The form token, locked, as it stands now: somebody else may have submitted with it; and the LINE users that are locked: its own
/// and the others. Another tenant's token is as unknown as one that never was.
async fn hold(
    tx: &mut TenantTx,
    submission: &Submission,
    others: &BTreeSet<FriendId>,
) -> Result<(Option<IssuedFormToken>, BTreeSet<FriendId>), Refusal> {
    let issued = match submission.token.as_ref().filter(|token| token.tenant() == tx.tenant()) {
        Some(token) => form_token::lock(tx, token).await?.filter(|issued| issued.method == submission.method),
        None => None,
    };
    let locked: BTreeSet<FriendId> = others.iter().copied().chain(issued.map(|issued| issued.friend)).collect();
    for friend in &locked {
        friend::lock(tx, *friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    }
    Ok((issued, locked))
}

/// Who submits. A token that is good for nothing any more says nothing of who holds it.
fn teller(issued: Option<IssuedFormToken>, now: Timestamp) -> Teller {
    let good = issued.filter(|issued| issued.state(now).refusal().is_none());
    Teller { account: issued.map(|issued| issued.account), friend: good.map(|issued| issued.friend) }
}

/// Keeps the attempt; where to send the browser, where LINE is to confirm it.
async fn place(
    desk: &Desk,
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    (token, issued): (&FormToken, Option<IssuedFormToken>),
    claim: Claim,
    line: Line,
) -> Result<(Option<StoredAttempt>, String), Refusal> {
    let Some(issued) = issued else {
        // Nothing is told of a token that is unknown, or another form's, or another tenant's.
        metrics::counter!("tsunagi_identity_unknown_form_tokens_total").increment(1);
        return Ok((None, String::new()));
    };
    let attempt = match (issued.state(now).refusal(), line) {
        (None, Line::Token(link_token)) => {
            let placed = submission::place(desk, tx, now, (token, &issued), claim, &link_token).await?;
            return Ok((Some(placed.attempt), placed.dialog.to_string()));
        }
        (Some(refusal), _) => submission::refuse_late(tx, now, (token, &issued), &claim, refusal).await?,
        (None, line) => {
            let refusal = if let Line::Refuses(refusal) = line { refusal } else { Refused::NotConfirmedByLine };
            let attempt = submission::refuse(tx, now, &issued, &claim, refusal).await?;
            telling::refused(tx, actor, now, &attempt).await?;
            Some(attempt)
        }
    };
    Ok((attempt, String::new()))
}

/// The answer to a request that came before. Where LINE is still to confirm, the browser gets a dialog of its own; the one before
/// is worth nothing any more.
async fn again(
    desk: &Desk,
    mut tx: TenantTx,
    before: SubmitLinkAttemptResponse,
) -> Result<SubmitLinkAttemptResponse, Refusal> {
    let tenant = tx.tenant();
    let mut answer = SubmitLinkAttemptResponse::default();
    if let Some(id) = before.activity.and_then(|activity| activity.activity_id.parse().ok()) {
        answer.activity = activities::find(&mut tx, id).await?.as_ref().map(activity::tell);
    }
    let Some(id) = before.link_attempt.and_then(|attempt| attempt.link_attempt_id.parse().ok()) else {
        return Ok(answer);
    };
    let attempt = link_attempt::find(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let user = friend::find(&mut tx, attempt.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    tx.rollback().await?;
    answer.link_attempt = Some(tell(&attempt));
    if attempt.decided.is_some() || attempt.confirm_until <= desk.registry.now() {
        return Ok(answer);
    }
    let asked = submission::link_token(desk, tenant, attempt.account, &user.line_user_id).await;
    let link_token = asked.map_err(|_| refuse::unavailable("LINE_UNAVAILABLE", RETRY_AFTER))?;
    let mut tx = desk.registry.database.tenant(tenant).await?;
    let attempt = link_attempt::lock(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    if attempt.decided.is_none() {
        answer.redirect_uri = submission::renew(desk, &mut tx, id, &link_token).await?.to_string();
        tx.commit().await?;
    }
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
