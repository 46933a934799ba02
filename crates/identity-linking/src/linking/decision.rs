//! An attempt is decided: what the rules look at is looked up, and what they say is done.

use std::collections::BTreeSet;

use chassis::audit::Actor;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use identity_linking_core::account::AccountState;
use identity_linking_core::link::{LinkEndCause, LinkOrigin, RateScope, teller};
use identity_linking_core::matching::{
    Action, Candidate, Case, Decision, Linked, Outcome, OwnRecord, Refusal, Suspicion, decide,
};
use identity_linking_core::staff::{NoticeKind, QUIET_FOR};
use identity_linking_core::{Likeness, MadeFor, NameKeys};
use kernel::{CustomerId, DuplicateSuspicionId, Timestamp};
use serde_json::json;

use super::ledger::{self, Begin};
use super::{made, merge, takeover, telling};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::candidate::{self, Typed};
use crate::postgres::duplicate::StoredSuspicion;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{DecidedAs, StoredAttempt};
use crate::postgres::{
    account, attempt_count, attempt_customer, attempt_waiting, customer, duplicate, link, link_attempt, link_policy,
    submitted_activity,
};
use crate::staff_notice;

/// What is decided about, and since when a link counts.
#[derive(Debug)]
pub(crate) struct Matter<'a> {
    /// The attempt, locked.
    pub(crate) attempt: StoredAttempt,
    /// Its LINE user, locked.
    pub(crate) user: &'a StoredLineUser,
    /// Since when a link counts: when LINE confirmed it, by LINE's clock.
    pub(crate) since: Timestamp,
    /// Nobody is told anything in the chat: what led here is told again to rebuild what was lost.
    pub(crate) effects_off: bool,
}

impl Matter<'_> {
    /// When the LINE user wished it, by LINE's clock, however late it is decided.
    fn wish_time(&self) -> Timestamp {
        self.attempt.told_time.unwrap_or(self.since)
    }
}

/// Decides an attempt whose LINE user LINE has confirmed, as it comes: not for an account that is not connected (F-04), and not
/// where too many came.
pub(crate) async fn by_matching(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    matter: Matter<'_>,
) -> Result<StoredAttempt, ChangeError> {
    let attempt = &matter.attempt;
    telling::confirmed(tx, attempt).await?;
    if attempt.limited {
        return by_refusal(tx, actor, now, matter.attempt, Refusal::RateLimited).await;
    }
    if account::state(tx, attempt.account, false).await? != Some(AccountState::Connected) {
        return by_refusal(tx, actor, now, matter.attempt, Refusal::AccountNotConnected).await;
    }
    let mut case = look(tx, attempt, matter.user).await?;
    if is_tried_too_often(tx, &case, now).await? {
        case = case.tried_too_often();
    }
    by_case(tx, actor, now, matter, case).await
}

/// Whether too many attempts were made at somebody on the whole key, or at namesakes of whom not all are looked at.
async fn is_tried_too_often(tx: &mut TenantTx, case: &Case, now: Timestamp) -> Result<bool, sqlx::Error> {
    let aimed_at: Vec<CustomerId> = case.on_whole_key().map(|one| one.customer).collect();
    if aimed_at.is_empty() {
        return Ok(false);
    }
    if attempt_count::at_customers(tx, RateScope::Customer, &aimed_at, now).await?.is_full() {
        return Ok(true);
    }
    let crowd: Vec<CustomerId> = case.crowd().map(|one| one.customer).collect();
    Ok(!crowd.is_empty() && attempt_count::at_customers(tx, RateScope::Namesakes, &crowd, now).await?.is_full())
}

/// Decides a LINE user's attempts again that were decided while a link stood in the way, which had ended by then as is known now: their
/// confirmations are later by LINE's clock than `unlinked`, and came here first. The user is locked.
pub(crate) async fn again_after(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    user: &StoredLineUser,
    (unlinked, from): (Timestamp, CustomerId),
    effects_off: bool,
) -> Result<(), ChangeError> {
    for attempt in link_attempt::told_after(tx, user.id, unlinked).await? {
        let stood_in_the_way = attempt.facts.as_ref().is_some_and(|case| case.had_in_the_way(from));
        let (Some(since), true) = (attempt.told_time, stood_in_the_way && attempt.review.is_none()) else { continue };
        again(tx, actor, now, Matter { attempt, user, since, effects_off }).await?;
    }
    Ok(())
}

/// Decides an attempt again: nobody counts how often it is looked at.
pub(crate) async fn again(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    matter: Matter<'_>,
) -> Result<StoredAttempt, ChangeError> {
    let case = look(tx, &matter.attempt, matter.user).await?;
    by_case(tx, actor, now, matter, case).await
}

async fn by_case(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    matter: Matter<'_>,
    case: Case,
) -> Result<StoredAttempt, ChangeError> {
    let decision = decide(&case);
    failpoint::reached("identity.link.decided");
    let (user, wish_time) = (matter.user, matter.wish_time());
    let is_held = |attempt: &StoredAttempt| attempt.decided.is_some_and(|decided| decided.outcome == Outcome::Held);
    let tells = !matter.effects_off && !is_held(&matter.attempt);
    let decided = carry_out(tx, actor, now, matter, case, &decision).await?;
    // Where a take-over is asked for, that is told.
    let waits = tells && is_held(&decided) && decided.takeover.is_none();
    if waits && !attempt_waiting::another_waits(tx, &decided, now - QUIET_FOR).await? {
        let matter = staff_notice::Matter {
            kind: NoticeKind::LinkHeld,
            subject: decided.id.uuid(),
            occasion: "",
            account: decided.account,
            user: Some(&user.line_user_id),
            occur_time: wish_time,
        };
        staff_notice::ask(tx, now, matter, None).await?;
    }
    end_if_unlinked_since(tx, actor, now, user, wish_time).await?;
    Ok(decided)
}

/// The LINE user may have ended the link after he wished it, and that may have come here first.
async fn end_if_unlinked_since(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    user: &StoredLineUser,
    wish_time: Timestamp,
) -> Result<(), ChangeError> {
    let Some(unlinked) = user.wishes.unlinked_after(wish_time) else { return Ok(()) };
    if let Some(link) = link::of_friend(tx, user.id).await?.filter(|link| link.wish_time <= unlinked) {
        ledger::end(tx, actor, now, link, (unlinked, LinkEndCause::LineUser, None)).await?;
    }
    Ok(())
}

/// Refuses an attempt before anything is compared.
pub(crate) async fn by_refusal(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    attempt: StoredAttempt,
    refusal: Refusal,
) -> Result<StoredAttempt, ChangeError> {
    if refusal == Refusal::NotConfirmedByLine {
        telling::refused(tx, actor, now, &attempt).await?;
    }
    record(tx, actor, now, attempt, &Decision::refused(refusal), None).await
}

/// All that the rules look at. The keys of what was typed are locked first, then every customer that the decision may change, and
/// only then is anything read that it depends on: whoever else links one of them has done so before, or does it after.
async fn look(tx: &mut TenantTx, attempt: &StoredAttempt, user: &StoredLineUser) -> Result<Case, ChangeError> {
    let policy = link_policy::find(tx).await?.value;
    let mobile = attempt.mobile.clone().filter(|_| attempt.method.compares_mobile());
    let compared = attempt.name.as_ref().filter(|_| attempt.method.compares_name());
    let typed = compared.map(|name| Typed { name: NameKeys::of(name), mobile });
    let mut near = match &typed {
        Some(typed) => {
            candidate::lock_keys(tx, typed).await?;
            candidate::near(tx, typed).await?
        }
        None => Vec::new(),
    };
    near.extend(attempt.own_customer.filter(|own| !near.contains(own)));
    let compared = compare(tx, &near, typed.as_ref(), user).await?;
    let is_whole = |one: &&Candidate| attempt.method.is_whole_key(one.name, one.has_mobile);
    let mut at_stake: Vec<CustomerId> = compared.iter().filter(is_whole).map(|one| one.customer).collect();
    // Whom the LINE user is linked to changes under the user's lock alone.
    let linked_to = link::of_friend(tx, user.id).await?.map(|link| link.stored.value.customer);
    at_stake.extend(linked_to);
    at_stake.extend(attempt.own_customer);
    let candidates = if at_stake.is_empty() {
        compared
    } else {
        candidate::lock(tx, &at_stake).await?;
        compare(tx, &near, typed.as_ref(), user).await?
    };
    let linked = linked(tx, linked_to).await?;
    let own = match attempt.own_customer {
        Some(own) => {
            let linked = link::of_customer(tx, own, user.provider).await?;
            let other = linked.is_some_and(|link| link.stored.value.friend != user.id);
            let told = submitted_activity::tellings(tx, own).await?;
            let told_by_others = told.into_iter().any(|(friend, telling)| teller(friend, telling) != Some(user.id));
            let alike = candidates.iter().find(|one| one.customer == own);
            Some(OwnRecord {
                customer: own,
                has_other_line_user: other,
                told_by_others,
                name: alike.map_or(Likeness::Other, |one| one.name),
                has_mobile: alike.is_some_and(|one| one.has_mobile),
                told_apart: alike.is_some_and(|one| one.told_apart),
            })
        }
        None => None,
    };
    Ok(Case::new(attempt.method, policy.on_no_match, linked, own, candidates))
}

async fn compare(
    tx: &mut TenantTx,
    near: &[CustomerId],
    typed: Option<&Typed>,
    user: &StoredLineUser,
) -> Result<Vec<Candidate>, sqlx::Error> {
    match typed {
        Some(typed) if !near.is_empty() => candidate::compare(tx, near, typed, user.provider, user.id).await,
        _ => Ok(Vec::new()),
    }
}

/// The customer a LINE user, locked, is linked to, as the rules want it. The customer is locked, too.
pub(crate) async fn linked(tx: &mut TenantTx, to: Option<CustomerId>) -> Result<Option<Linked>, ChangeError> {
    let Some(customer) = to else { return Ok(None) };
    let kept = customer::find(tx, customer).await?.ok_or(sqlx::Error::RowNotFound)?;
    let links = link::of_customers(tx, &[customer]).await?.len();
    Ok(Some(Linked::new(customer, kept.stored.value.provisional, links)))
}

/// Does what was decided.
async fn carry_out(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    matter: Matter<'_>,
    case: Case,
    decision: &Decision,
) -> Result<StoredAttempt, ChangeError> {
    let wish_time = matter.wish_time();
    let Matter { mut attempt, user, since, effects_off } = matter;
    let begin = |customer, assurance, origin| Begin {
        customer,
        user,
        assurance,
        origin,
        attempt: Some(attempt.id),
        note: None,
        since,
        wish_time,
    };
    let linked = case.linked().map(|linked| linked.customer);
    let customer = match decision.action {
        Action::Nothing | Action::Hold | Action::HoldToldApart | Action::HoldChanged => {
            linked.filter(|_| decision.outcome == Outcome::AlreadyLinked)
        }
        Action::Link { customer, assurance } => {
            ledger::begin(tx, actor, now, begin(customer, assurance, LinkOrigin::Match)).await?;
            Some(customer)
        }
        Action::LinkOwnRecord { customer, assurance } => {
            ledger::begin(tx, actor, now, begin(customer, assurance, LinkOrigin::Created)).await?;
            Some(customer)
        }
        Action::Create { assurance } => {
            let customer = create(tx, actor, now, &attempt, MadeFor::Attempt).await?;
            ledger::begin(tx, actor, now, begin(customer, assurance, LinkOrigin::Created)).await?;
            Some(customer)
        }
        Action::Absorb { survivor, absorbed, assurance } => {
            let begin = begin(survivor, assurance, LinkOrigin::Merge);
            merge::absorb(tx, actor, now, absorbed, begin).await?;
            Some(survivor)
        }
        Action::OpenTakeover { customer } => {
            attempt.takeover = Some(takeover::open(tx, now, &attempt, customer, (user, wish_time), effects_off).await?);
            None
        }
    };
    attempt.customer = customer;
    for suspicion in &decision.suspicions {
        suspect(tx, now, &attempt, suspicion).await?;
    }
    record(tx, actor, now, attempt, decision, Some(case)).await
}

/// Makes a customer of what was typed. An attempt with nothing typed, which was erased, makes none.
pub(crate) async fn create(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    attempt: &StoredAttempt,
    made_for: MadeFor,
) -> Result<CustomerId, ChangeError> {
    let name = attempt.name.as_ref().ok_or(sqlx::Error::RowNotFound)?;
    let typed = made::Typed { name, mobile: attempt.mobile.as_ref() };
    made::make(tx, actor, now, typed, made_for, Some(attempt.account)).await
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
    let looked_at = case.iter().flat_map(Case::candidates).map(|one| one.customer);
    let candidates: BTreeSet<CustomerId> = looked_at.chain(attempt.customer).chain(attempt.own_customer).collect();
    let before = attempt.decided.map(|decided| decided.time);
    attempt.version += 1;
    attempt.decided = Some(DecidedAs { time: now, outcome: decision.outcome, reason: decision.reason });
    attempt.facts = case;
    link_attempt::update(tx, &attempt).await?;
    if before.is_some() {
        attempt_customer::forget(tx, attempt.id).await?;
    }
    attempt_customer::note(tx, &attempt, candidates, before.unwrap_or(now)).await?;
    let (outcome, reason) = (decision.outcome.as_str(), decision.reason.as_str());
    let labels = [("method", attempt.method.as_str()), ("outcome", outcome), ("reason", reason)];
    metrics::counter!("tsunagi_identity_link_attempts_total", &labels).increment(1);
    let subject = Subject { kind: "link_attempt", id: attempt.id.uuid(), version: attempt.version };
    let detail = json!({ "outcome": outcome, "reason": reason, "customer": attempt.customer });
    change::note(tx, actor, "link_attempt.decide", subject, detail).await?;
    Ok(attempt)
}
