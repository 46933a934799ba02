//! An attempt is decided: what the rules look at is looked up, and what they say is done.

use chassis::audit::Actor;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::account::AccountState;
use identity_linking_core::link::LinkOrigin;
use identity_linking_core::matching::{
    Action, Candidate, Case, Decision, Linked, Outcome, OwnRecord, Refusal, Suspicion, decide,
};
use identity_linking_core::{Customer, NameKeys, PersonName, Phone, PhoneKind};
use kernel::{CustomerId, DuplicateSuspicionId, Timestamp};
use serde_json::json;

use super::ledger::{self, Begin};
use super::{merge, takeover};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::candidate::{self, Typed};
use crate::postgres::customer::StoredCustomer;
use crate::postgres::duplicate::StoredSuspicion;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{DecidedAs, StoredAttempt};
use crate::postgres::{Stored, account, attempt_count, customer, duplicate, link, link_attempt, link_policy};
use crate::replica;

/// What is decided about, and since when a link counts.
#[derive(Debug)]
pub(crate) struct Matter<'a> {
    /// The attempt, locked.
    pub(crate) attempt: StoredAttempt,
    /// Its LINE user, locked.
    pub(crate) user: &'a StoredLineUser,
    /// Since when a link counts: when LINE confirmed it, by LINE's clock.
    pub(crate) since: Timestamp,
}

/// Decides an attempt whose LINE user LINE has confirmed.
pub(crate) async fn by_matching(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    matter: Matter<'_>,
) -> Result<StoredAttempt, ChangeError> {
    let attempt = &matter.attempt;
    if attempt.limited {
        return settle(tx, actor, now, matter, None, &Decision::refused(Refusal::RateLimited)).await;
    }
    if account::state(tx, attempt.account, false).await? != Some(AccountState::Connected) {
        return settle(tx, actor, now, matter, None, &Decision::refused(Refusal::AccountNotConnected)).await;
    }
    let case = look(tx, attempt, matter.user).await?;
    let aimed_at: Vec<CustomerId> = case.on_whole_key().map(|candidate| candidate.customer).collect();
    let decision = if !aimed_at.is_empty() && attempt_count::at_customers(tx, &aimed_at, now).await?.is_full() {
        Decision::refused(Refusal::RateLimited)
    } else {
        decide(&case)
    };
    failpoint::reached("identity.link.decided");
    settle(tx, actor, now, matter, Some(case), &decision).await
}

/// Refuses an attempt before anything is compared.
pub(crate) async fn by_refusal(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    attempt: StoredAttempt,
    refusal: Refusal,
) -> Result<StoredAttempt, ChangeError> {
    record(tx, actor, now, attempt, &Decision::refused(refusal), None).await
}

/// All that the rules look at.
async fn look(tx: &mut TenantTx, attempt: &StoredAttempt, user: &StoredLineUser) -> Result<Case, ChangeError> {
    let policy = link_policy::find(tx).await?.value;
    let linked = match link::of_friend(tx, user.id).await? {
        Some(link) => {
            let linked = customer::find(tx, link.stored.value.customer).await?.ok_or(sqlx::Error::RowNotFound)?;
            Some(Linked { customer: linked.stored.id, provisional: linked.stored.value.provisional })
        }
        None => None,
    };
    let own = match attempt.own_customer {
        Some(own) => {
            let linked = link::of_customer(tx, own, user.provider).await?;
            let other = linked.is_some_and(|link| link.stored.value.friend != user.id);
            Some(OwnRecord { customer: own, has_other_line_user: other })
        }
        None => None,
    };
    let found = match &attempt.name {
        Some(name) => compare(tx, attempt, name, user).await?,
        None => Vec::new(),
    };
    Ok(Case::new(attempt.method, policy.on_no_match, linked, own, found))
}

/// The customers that are like what was typed. Those on the whole key are locked, and then looked at as they stand: whoever else
/// links one of them has done so before or does it after.
async fn compare(
    tx: &mut TenantTx,
    attempt: &StoredAttempt,
    name: &PersonName,
    user: &StoredLineUser,
) -> Result<Vec<Candidate>, ChangeError> {
    let mobile = attempt.mobile.clone().filter(|_| attempt.method.compares_mobile());
    let typed = Typed { name: NameKeys::of(name), mobile };
    candidate::lock_keys(tx, &typed).await?;
    let near = candidate::near(tx, &typed).await?;
    if near.is_empty() {
        return Ok(Vec::new());
    }
    let found = candidate::compare(tx, &near, &typed, user.provider, user.id).await?;
    let is_whole = |one: &&Candidate| attempt.method.is_whole_key(one.name, one.has_mobile);
    let whole: Vec<CustomerId> = found.iter().filter(is_whole).map(|one| one.customer).collect();
    if whole.is_empty() {
        return Ok(found);
    }
    candidate::lock(tx, &whole).await?;
    Ok(candidate::compare(tx, &near, &typed, user.provider, user.id).await?)
}

/// Does what was decided.
async fn settle(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    matter: Matter<'_>,
    case: Option<Case>,
    decision: &Decision,
) -> Result<StoredAttempt, ChangeError> {
    let Matter { mut attempt, user, since } = matter;
    let begin = |customer, assurance, origin| Begin {
        customer,
        user,
        assurance,
        origin,
        attempt: Some(attempt.id),
        note: None,
        since,
    };
    let linked = case.as_ref().and_then(Case::linked).map(|linked| linked.customer);
    let customer = match decision.action {
        Action::Nothing | Action::Hold => linked.filter(|_| decision.outcome == Outcome::AlreadyLinked),
        Action::Link { customer, assurance } => {
            ledger::begin(tx, actor, now, begin(customer, assurance, LinkOrigin::Match)).await?;
            Some(customer)
        }
        Action::LinkOwnRecord { customer, assurance } => {
            ledger::begin(tx, actor, now, begin(customer, assurance, LinkOrigin::Created)).await?;
            Some(customer)
        }
        Action::Create { assurance } => {
            let customer = create(tx, actor, now, &attempt, true).await?;
            ledger::begin(tx, actor, now, begin(customer, assurance, LinkOrigin::Created)).await?;
            Some(customer)
        }
        Action::Absorb { survivor, absorbed, assurance } => {
            let begin = begin(survivor, assurance, LinkOrigin::Merge);
            merge::absorb(tx, actor, now, absorbed, begin).await?;
            Some(survivor)
        }
        Action::OpenTakeover { customer } => {
            attempt.takeover = Some(takeover::open(tx, now, &attempt, customer, user).await?);
            None
        }
    };
    attempt.customer = customer;
    for suspicion in &decision.suspicions {
        suspect(tx, now, &attempt, suspicion).await?;
    }
    record(tx, actor, now, attempt, decision, case).await
}

/// Makes a customer of what was typed, provisional unless staff said so, with the organization that the account's friends belong to.
pub(crate) async fn create(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    attempt: &StoredAttempt,
    provisional: bool,
) -> Result<CustomerId, ChangeError> {
    let name = attempt.name.clone().ok_or(sqlx::Error::RowNotFound)?;
    let account = account::find(tx, attempt.account).await?.ok_or(sqlx::Error::RowNotFound)?.stored.value;
    let mobile = |number: &str| Phone::kept(number.to_owned(), true, Some(PhoneKind::Mobile));
    let value = Customer {
        name,
        phones: attempt.mobile.iter().map(|number| mobile(number.as_str())).collect(),
        addresses: Vec::new(),
        birth_date: None,
        organization: account.owner_organization.or(account.default_organization),
        external_reference: None,
        provisional,
    };
    let stored = Stored { id: CustomerId::new(now), version: 1, create_time: now, value };
    let kept = StoredCustomer { stored, update_time: now, merged_into: None };
    customer::insert(tx, &kept).await?;
    let subject = Subject { kind: "customer", id: kept.stored.id.uuid(), version: 1 };
    let body = Body::Customer(replica::customer(&kept));
    change::record(tx, actor, "customer.create", subject, now, body).await?;
    Ok(kept.stored.id)
}

async fn suspect(
    tx: &mut TenantTx,
    now: Timestamp,
    attempt: &StoredAttempt,
    suspicion: &Suspicion,
) -> Result<(), ChangeError> {
    let Some(one) = suspicion.customer.or(attempt.customer) else { return Ok(()) };
    let filed = StoredSuspicion {
        id: DuplicateSuspicionId::new(now),
        pair: (one, suspicion.other),
        signs: suspicion.signs.clone(),
        attempt: attempt.id,
        create_time: now,
        dismiss_time: None,
        note: None,
    };
    if duplicate::file(tx, &filed).await? {
        metrics::counter!("tsunagi_identity_duplicates_suspected_total").increment(1);
    }
    Ok(())
}

/// Keeps what was decided, and what it was decided by.
async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    mut attempt: StoredAttempt,
    decision: &Decision,
    case: Option<Case>,
) -> Result<StoredAttempt, ChangeError> {
    let candidates: Vec<CustomerId> = case.iter().flat_map(Case::candidates).map(|one| one.customer).collect();
    attempt.version += 1;
    attempt.decided = Some(DecidedAs { time: now, outcome: decision.outcome, reason: decision.reason });
    attempt.facts = case;
    link_attempt::update(tx, &attempt).await?;
    link_attempt::put_candidates(tx, attempt.id, &candidates, now).await?;
    let (outcome, reason) = (decision.outcome.as_str(), decision.reason.as_str());
    let labels = [("method", attempt.method.as_str()), ("outcome", outcome), ("reason", reason)];
    metrics::counter!("tsunagi_identity_link_attempts_total", &labels).increment(1);
    let subject = Subject { kind: "link_attempt", id: attempt.id.uuid(), version: attempt.version };
    let detail = json!({ "outcome": outcome, "reason": reason, "customer": attempt.customer });
    change::note(tx, actor, "link_attempt.decide", subject, detail).await?;
    Ok(attempt)
}
