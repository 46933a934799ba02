//! What was typed into a form page, ours or an internal service's: kept as an attempt that waits for LINE's word. Nothing is compared
//! with what is on record here, so that nothing in the answer, nor the time it takes, depends on it.

use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::inquiry::{Inquiry, InquiryState, InquiryText};
use identity_linking_core::link::{
    CONFIRMED_WITHIN, Earlier, FormToken, IssuedFormToken, NoLinkToken, Nonce, Submission, Typed,
};
use identity_linking_core::matching::{Outcome, Refusal};
use identity_linking_core::{Line, MobileNumber, PersonName};
use kernel::{AccountId, ActivityId, CustomerId, InquiryId, LinkAttemptId, TenantId, Timestamp};
use line_types::id::UserId;
use url::Url;

use super::Desk;
use crate::change::{self, ChangeError, Subject};
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{DecidedAs, StoredAttempt, Traces};
use crate::postgres::{Stored, attempt_count, first_message, form_token, friend, inquiry, link_attempt};
use crate::replica;

/// What somebody typed.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) name: PersonName,
    pub(crate) mobile: Option<MobileNumber>,
    pub(crate) inquiry: Option<InquiryText>,
    /// A keyed hash of the browser's address, where that is known.
    pub(crate) address: Option<[u8; 32]>,
    /// What was recorded with it, and the customer that was made for that.
    pub(crate) activity: Option<ActivityId>,
    pub(crate) own_customer: Option<CustomerId>,
}

/// A submission that waits for LINE's word.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) attempt: StoredAttempt,
    /// LINE's account-link dialog, with the nonce.
    pub(crate) dialog: Url,
}

/// Keeps a claim as an attempt, uses its token up, and tells the inquiry. The token is locked and fresh; `link_token` is LINE's, for
/// the LINE user the form was given to.
pub(crate) async fn place(
    desk: &Desk,
    tx: &mut TenantTx,
    now: Timestamp,
    (token, issued): (&FormToken, &IssuedFormToken),
    claim: Claim,
    link_token: &str,
) -> Result<Placed, ChangeError> {
    // Locked, so that attempts of one LINE user are counted one after the other.
    let user = friend::lock(tx, issued.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    let from_address = match &claim.address {
        Some(address) => attempt_count::from_address(tx, address, now).await?.is_full(),
        None => false,
    };
    let limited = from_address
        || attempt_count::of_line_user(tx, issued.friend, now).await?.is_full()
        || attempt_count::of_account(tx, issued.account, now).await?.is_full();
    // Whoever tried is not asked to by a first message any more, whatever becomes of it: the card would tell.
    first_message::note(tx, issued.account, issued.friend, now, false).await?;
    let inquiry = match &claim.inquiry {
        Some(text) => Some(keep_inquiry(tx, now, issued, &claim, text, &user).await?),
        None => None,
    };
    let nonce = Nonce::of(rand::random());
    let attempt = StoredAttempt { limited, inquiry, ..attempt(now, issued, &claim) };
    let traces = Traces { nonce: Some(&nonce), address: claim.address.as_ref(), counts: true };
    link_attempt::insert(tx, &attempt, traces).await?;
    form_token::mark_used(tx, token, now, attempt.id).await?;
    failpoint::reached("identity.link.placed");
    Ok(Placed { attempt, dialog: dialog(&desk.line_login_url, link_token, &nonce) })
}

/// Keeps a claim that came with a token which is good for nothing any more, locked, unless enough of them are kept. What was written
/// beside it is not kept: whoever holds such a token writes into nobody's conversation.
pub(crate) async fn refuse_late(
    tx: &mut TenantTx,
    now: Timestamp,
    (token, issued): (&FormToken, &IssuedFormToken),
    claim: &Claim,
    refusal: Refusal,
) -> Result<Option<StoredAttempt>, ChangeError> {
    if !issued.keeps_refusal() {
        return Ok(None);
    }
    form_token::count_refusal(tx, token).await?;
    let traces = Traces { address: claim.address.as_ref(), ..Traces::default() };
    Ok(Some(keep_refused(tx, now, attempt(now, issued, claim), traces, refusal).await?))
}

/// Keeps a claim of an internal service's form that LINE issues no link token for. Its token stays good.
pub(crate) async fn refuse(
    tx: &mut TenantTx,
    now: Timestamp,
    issued: &IssuedFormToken,
    claim: &Claim,
    refusal: Refusal,
) -> Result<StoredAttempt, ChangeError> {
    let traces = Traces { address: claim.address.as_ref(), counts: true, ..Traces::default() };
    keep_refused(tx, now, attempt(now, issued, claim), traces, refusal).await
}

/// Keeps a claim that LINE issues no link token for. LINE will never say who it was; the shop gets an inquiry all the same (F-11).
/// The token is locked and fresh; it is used up, so that this happens once.
pub(crate) async fn refuse_unasked(
    tx: &mut TenantTx,
    now: Timestamp,
    (token, issued): (&FormToken, &IssuedFormToken),
    claim: &Claim,
    refusal: Refusal,
) -> Result<(), ChangeError> {
    let user = friend::lock(tx, issued.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    let inquiry = match &claim.inquiry {
        Some(text) => Some(keep_inquiry(tx, now, issued, claim, text, &user).await?),
        None => None,
    };
    let attempt = StoredAttempt { inquiry, ..attempt(now, issued, claim) };
    let traces = Traces { address: claim.address.as_ref(), counts: true, ..Traces::default() };
    let kept = keep_refused(tx, now, attempt, traces, refusal).await?;
    form_token::mark_used(tx, token, now, kept.id).await?;
    Ok(())
}

async fn keep_refused(
    tx: &mut TenantTx,
    now: Timestamp,
    attempt: StoredAttempt,
    traces: Traces<'_>,
    refusal: Refusal,
) -> Result<StoredAttempt, ChangeError> {
    let decided = DecidedAs { time: now, outcome: Outcome::Refused, reason: refusal.reason() };
    let attempt = StoredAttempt { decided: Some(decided), ..attempt };
    link_attempt::insert(tx, &attempt, traces).await?;
    let labels = [("method", attempt.method.as_str()), ("outcome", "REFUSED"), ("reason", refusal.as_str())];
    metrics::counter!("tsunagi_identity_link_attempts_total", &labels).increment(1);
    Ok(attempt)
}

/// What a claim is, with a token as it stands; the attempt that used the token is locked.
pub(crate) async fn admit(
    tx: &mut TenantTx,
    now: Timestamp,
    issued: &IssuedFormToken,
    claim: &Claim,
) -> Result<Submission, ChangeError> {
    let typed = Typed { name: Some(&claim.name), mobile: claim.mobile.as_ref(), inquiry: claim.inquiry.as_ref() };
    let Some(attempt) = issued.attempt else { return Ok(Submission::of(issued, typed, None, now)) };
    let attempt = link_attempt::lock(tx, attempt).await?.ok_or(sqlx::Error::RowNotFound)?;
    let inquiry = match attempt.inquiry {
        Some(id) => Some(inquiry::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?.value.text),
        None => None,
    };
    let before = Typed { name: attempt.name.as_ref(), mobile: attempt.mobile.as_ref(), inquiry: inquiry.as_ref() };
    let confirm_until = attempt.decided.is_none().then_some(attempt.confirm_until);
    let earlier = Earlier { attempt: attempt.id, typed: before, confirm_until };
    Ok(Submission::of(issued, typed, Some(earlier), now))
}

/// LINE's dialog once more for an attempt that waits for LINE's word, locked; the dialog before is worth nothing any more.
pub(crate) async fn renew(
    desk: &Desk,
    tx: &mut TenantTx,
    attempt: LinkAttemptId,
    link_token: &str,
) -> Result<Url, ChangeError> {
    let nonce = Nonce::of(rand::random());
    link_attempt::renew_nonce(tx, attempt, &nonce).await?;
    Ok(dialog(&desk.line_login_url, link_token, &nonce))
}

/// LINE's account-link dialog (<https://developers.line.biz/en/docs/messaging-api/linking-accounts/>).
pub(crate) fn dialog(login: &Url, link_token: &str, nonce: &Nonce) -> Url {
    let mut url = login.clone();
    url.set_path("/dialog/bot/accountLink");
    url.query_pairs_mut().clear().append_pair("linkToken", link_token).append_pair("nonce", nonce.reveal());
    url
}

/// A token for LINE's dialog for the LINE user of a form; outside of any transaction.
pub(crate) async fn link_token(
    desk: &Desk,
    tenant: TenantId,
    account: AccountId,
    user: &UserId,
) -> Result<String, NoLinkToken> {
    failpoint::reached("identity.link.before_line");
    let token = desk.gateway.link_token(tenant, account, user).await;
    failpoint::reached("identity.link.after_line");
    token
}

fn attempt(now: Timestamp, issued: &IssuedFormToken, claim: &Claim) -> StoredAttempt {
    StoredAttempt {
        id: LinkAttemptId::new(now),
        version: 1,
        method: issued.method,
        account: issued.account,
        friend: issued.friend,
        name: Some(claim.name.clone()),
        mobile: claim.mobile.clone(),
        submit_time: now,
        confirm_until: now + CONFIRMED_WITHIN,
        limited: false,
        told_time: None,
        decided: None,
        facts: None,
        customer: None,
        own_customer: claim.own_customer,
        activity: claim.activity,
        inquiry: None,
        takeover: None,
        review: None,
    }
}

async fn keep_inquiry(
    tx: &mut TenantTx,
    now: Timestamp,
    issued: &IssuedFormToken,
    claim: &Claim,
    text: &InquiryText,
    user: &StoredLineUser,
) -> Result<InquiryId, ChangeError> {
    let name = format!("{} {}", claim.name.family(), claim.name.given());
    let value = Inquiry {
        account: issued.account,
        friend: issued.friend,
        // Two parts that fit and the space between them fit.
        name: Line::parse(&name).map_err(|error| sqlx::Error::Decode(error.into()))?,
        text: text.clone(),
        state: InquiryState::Unconfirmed,
    };
    let kept = Stored { id: InquiryId::new(now), version: 1, create_time: now, value };
    inquiry::insert(tx, &kept).await?;
    let subject = Subject { kind: "inquiry", id: kept.id.uuid(), version: 1 };
    change::announce(tx, subject, now, Body::Inquiry(replica::inquiry(&kept, &user.line_user_id))).await?;
    Ok(kept.id)
}
