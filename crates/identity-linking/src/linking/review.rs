//! The review queue: held attempts, decided again by what is known now, or settled by staff.

use std::collections::BTreeSet;

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::MadeFor;
use identity_linking_core::account::AccountState;
use identity_linking_core::link::{LinkOrigin, Note};
use identity_linking_core::matching::{Assurance, Case, Outcome, Reason, Way, way_to};
use kernel::{CustomerId, LinkAttemptId, StaffId, Timestamp};
use serde_json::json;

use super::decision::{self, Matter};
use super::ledger::{self, Begin};
use super::merge;
use crate::change::{self, ChangeError, Subject};
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{DecidedAs, Review, StoredAttempt};
use crate::postgres::{account, attempt_customer, candidate, customer, friend, link, link_attempt};

/// What staff say a held attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The LINE user is this customer.
    Customer(CustomerId),
    /// The LINE user is a new customer.
    New,
    /// There is nothing to link.
    Nothing,
}

/// Who settles, and what they say.
#[derive(Clone, Debug)]
pub(crate) struct Reviewer<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) staff: Option<StaffId>,
    pub(crate) note: Note,
}

/// Why a held attempt is not settled so.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReviewError {
    /// There is no such attempt.
    #[error("no such attempt")]
    NoAttempt,
    /// There is no such customer.
    #[error("no such customer")]
    NoCustomer,
    /// It is not held, or it was settled.
    #[error("the attempt does not wait for review")]
    NotHeld,
    /// The LINE user ended a link since.
    #[error("the LINE user ended a link since")]
    Withdrawn,
    /// The official account is not connected.
    #[error("the official account is not connected")]
    AccountNotConnected,
    /// It changed since it was read.
    #[error("the attempt changed")]
    Changed,
    /// The LINE user is linked to another customer.
    #[error("the LINE user is linked to another customer")]
    LineUserHasOtherCustomer,
    /// The customer is linked to another LINE user of the provider.
    #[error("the customer is linked to another LINE user")]
    CustomerHasOtherLineUser,
    /// The customer was absorbed by another.
    #[error("the customer was absorbed by another")]
    CustomerAbsorbed,
    /// It could not be done now.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<sqlx::Error> for ReviewError {
    fn from(error: sqlx::Error) -> Self {
        Self::Change(error.into())
    }
}

/// Decides a held attempt again.
pub(crate) async fn reconsider(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    id: LinkAttemptId,
    is_current: impl FnOnce(i64) -> bool,
) -> Result<StoredAttempt, ReviewError> {
    let (attempt, user) = held(tx, id, is_current).await?;
    still_wanted(&attempt, &user)?;
    if account::state(tx, attempt.account, false).await? != Some(AccountState::Connected) {
        return Err(ReviewError::AccountNotConnected);
    }
    Ok(decision::again(tx, actor, now, Matter { attempt, user: &user, since: now, effects_off: false }).await?)
}

/// Settles a held attempt.
pub(crate) async fn resolve(
    tx: &mut TenantTx,
    reviewer: Reviewer<'_>,
    now: Timestamp,
    id: LinkAttemptId,
    is_current: impl FnOnce(i64) -> bool,
    resolution: Resolution,
) -> Result<StoredAttempt, ReviewError> {
    let (mut attempt, user) = held(tx, id, is_current).await?;
    let decided = attempt.decided.ok_or(ReviewError::NotHeld)?;
    let Reviewer { actor, staff, note } = reviewer;
    let chosen = match resolution {
        Resolution::Nothing => None,
        Resolution::New if attempt.own_customer.is_none() => {
            Some((decision::create(tx, actor, now, &attempt, MadeFor::Staff).await?, LinkOrigin::Created))
        }
        Resolution::New => attempt.own_customer.map(|own| (own, LinkOrigin::Created)),
        Resolution::Customer(customer) => Some((customer, LinkOrigin::Staff)),
    };
    let (outcome, reason) = match resolution {
        Resolution::Nothing => (Outcome::Refused, decided.reason),
        Resolution::New => (Outcome::CreatedNew, decided.reason),
        Resolution::Customer(_) => (Outcome::Linked, Reason::None),
    };
    if let Some((customer, origin)) = chosen {
        let wish_time = still_wanted(&attempt, &user)?;
        let way = way(tx, customer, &user).await?;
        ledger::touch(tx, actor, now, customer).await?;
        let begin = Begin {
            customer,
            user: &user,
            assurance: Assurance::Proven,
            origin,
            attempt: Some(id),
            note: Some(note.clone()),
            since: now,
            wish_time,
        };
        merge::begin_or_absorb(tx, actor, now, way, begin).await?;
        attempt.customer = Some(customer);
    }
    attempt.version += 1;
    attempt.decided = Some(DecidedAs { time: now, outcome, reason });
    attempt.review = Some(Review { time: now, staff, note: Some(note) });
    link_attempt::update(tx, &attempt).await?;
    let looked_at = attempt.facts.iter().flat_map(Case::candidates).map(|one| one.customer);
    let about: BTreeSet<CustomerId> = looked_at.chain(attempt.customer).chain(attempt.own_customer).collect();
    attempt_customer::forget(tx, id).await?;
    attempt_customer::note(tx, &attempt, about, decided.time).await?;
    let subject = Subject { kind: "link_attempt", id: id.uuid(), version: attempt.version };
    let detail = json!({ "outcome": outcome.as_str(), "reason": reason.as_str(), "customer": attempt.customer });
    change::note(tx, actor, "link_attempt.resolve", subject, detail).await?;
    Ok(attempt)
}

/// A held attempt and its LINE user, both locked.
async fn held(
    tx: &mut TenantTx,
    id: LinkAttemptId,
    is_current: impl FnOnce(i64) -> bool,
) -> Result<(StoredAttempt, StoredLineUser), ReviewError> {
    let friend = link_attempt::find(tx, id).await?.ok_or(ReviewError::NoAttempt)?.friend;
    let user = friend::lock(tx, friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    let attempt = link_attempt::lock(tx, id).await?.ok_or(ReviewError::NoAttempt)?;
    if !is_current(attempt.version) {
        return Err(ReviewError::Changed);
    }
    let is_held = attempt.decided.is_some_and(|decided| decided.outcome == Outcome::Held) && attempt.review.is_none();
    if !is_held {
        return Err(ReviewError::NotHeld);
    }
    Ok((attempt, user))
}

/// When the LINE user wished the link: whoever ended a link after trying does not want this one any more.
fn still_wanted(attempt: &StoredAttempt, user: &StoredLineUser) -> Result<Timestamp, ReviewError> {
    let asked = attempt.told_time.unwrap_or(attempt.submit_time);
    if user.wishes.unlinked_after(asked).is_some() { Err(ReviewError::Withdrawn) } else { Ok(asked) }
}

/// What it takes to link the LINE user to the customer staff chose; the customers are locked.
async fn way(tx: &mut TenantTx, chosen: CustomerId, user: &StoredLineUser) -> Result<Way, ReviewError> {
    let own = link::of_friend(tx, user.id).await?.map(|link| link.stored.value.customer);
    let at_stake: Vec<CustomerId> = own.into_iter().chain([chosen]).collect();
    candidate::lock(tx, &at_stake).await?;
    let customer = customer::find(tx, chosen).await?.ok_or(ReviewError::NoCustomer)?;
    if customer.merged_into.is_some() {
        return Err(ReviewError::CustomerAbsorbed);
    }
    let way = way_to(decision::linked(tx, own).await?, chosen);
    let other = link::of_customer(tx, chosen, user.provider).await?;
    if other.is_some_and(|link| link.stored.value.friend != user.id) {
        return Err(ReviewError::CustomerHasOtherLineUser);
    }
    if way == Way::Bound { Err(ReviewError::LineUserHasOtherCustomer) } else { Ok(way) }
}
