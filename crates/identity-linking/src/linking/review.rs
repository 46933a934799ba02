//! The review queue: held attempts, decided again by what is known now, or settled by staff.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::link::{LinkOrigin, Note};
use identity_linking_core::matching::{Assurance, Outcome, Reason};
use kernel::{CustomerId, LinkAttemptId, StaffId, Timestamp};
use serde_json::json;

use super::decision::{self, Matter};
use super::ledger::{self, Begin};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{DecidedAs, Review, StoredAttempt};
use crate::postgres::{candidate, customer, friend, link, link_attempt};

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
    Ok(decision::by_matching(tx, actor, now, Matter { attempt, user: &user, since: now }).await?)
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
    let (outcome, reason, customer) = match resolution {
        Resolution::Nothing => (Outcome::Refused, decided.reason, None),
        Resolution::New => {
            free(tx, &user).await?;
            let customer = match attempt.own_customer {
                Some(own) => chosen(tx, own, &user).await?,
                None => decision::create(tx, actor, now, &attempt, false).await?,
            };
            (Outcome::CreatedNew, decided.reason, Some((customer, LinkOrigin::Created)))
        }
        Resolution::Customer(customer) => {
            free(tx, &user).await?;
            let customer = chosen(tx, customer, &user).await?;
            (Outcome::Linked, Reason::None, Some((customer, LinkOrigin::Staff)))
        }
    };
    if let Some((customer, origin)) = customer {
        let begin = Begin {
            customer,
            user: &user,
            assurance: Assurance::Proven,
            origin,
            attempt: Some(id),
            note: Some(note.clone()),
            since: now,
        };
        ledger::begin(tx, actor, now, begin).await?;
        attempt.customer = Some(customer);
    }
    attempt.version += 1;
    attempt.decided = Some(DecidedAs { time: now, outcome, reason });
    attempt.review = Some(Review { time: now, staff, note: Some(note) });
    link_attempt::update(tx, &attempt).await?;
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
    let attempt = link_attempt::lock(tx, id).await?.ok_or(ReviewError::NoAttempt)?;
    if !is_current(attempt.version) {
        return Err(ReviewError::Changed);
    }
    let is_held = attempt.decided.is_some_and(|decided| decided.outcome == Outcome::Held) && attempt.review.is_none();
    if !is_held {
        return Err(ReviewError::NotHeld);
    }
    let user = friend::lock(tx, attempt.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    Ok((attempt, user))
}

/// The LINE user must be linked to nobody.
async fn free(tx: &mut TenantTx, user: &StoredLineUser) -> Result<(), ReviewError> {
    match link::of_friend(tx, user.id).await? {
        Some(_) => Err(ReviewError::LineUserHasOtherCustomer),
        None => Ok(()),
    }
}

/// The customer staff chose, locked, who must be linked to no LINE user of the provider.
async fn chosen(tx: &mut TenantTx, id: CustomerId, user: &StoredLineUser) -> Result<CustomerId, ReviewError> {
    candidate::lock(tx, &[id]).await?;
    let customer = customer::find(tx, id).await?.ok_or(ReviewError::NoCustomer)?;
    if customer.merged_into.is_some() {
        return Err(ReviewError::CustomerAbsorbed);
    }
    match link::of_customer(tx, id, user.provider).await? {
        Some(_) => Err(ReviewError::CustomerHasOtherLineUser),
        None => Ok(id),
    }
}
