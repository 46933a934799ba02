//! The activity of a submission: whose it is.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::activity::Activity;
use identity_linking_core::matching::{self, Owner, Submitted};
use identity_linking_core::{MadeFor, NameKeys};
use kernel::{AccountId, CustomerId, FriendId, ProviderId, Timestamp};
use uuid::Uuid;

use super::submit::Submission;
use crate::grpc::activity;
use crate::grpc::refusal::Refusal;
use crate::linking::made;
use crate::postgres::activity::{StoredActivity, find_by_reference, lock_reference};
use crate::postgres::candidate::{self, Typed};
use crate::postgres::{link, submitted_activity};

/// Who tells of an activity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Teller {
    /// The account of the form token.
    pub(super) account: Option<AccountId>,
    /// The form token's LINE user, locked, where the token is good.
    pub(super) friend: Option<FriendId>,
}

/// Records the activity on whom it belongs to, and tells it; the own record it is on, where it is on one.
pub(super) async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    submission: &Submission,
    teller: Teller,
) -> Result<(Option<StoredActivity>, Option<CustomerId>), Refusal> {
    let Some(told) = &submission.activity else { return Ok((None, None)) };
    lock_reference(tx, told.kind, &told.external_reference).await?;
    let typed = Typed { name: NameKeys::of(&submission.name), mobile: Some(submission.mobile.clone()) };
    candidate::lock_keys(tx, &typed).await?;
    let known = find_by_reference(tx, told.kind, &told.external_reference).await?;
    let before = match &known {
        Some(known) => submitted_activity::find(tx, known.id).await?,
        None => None,
    };
    let owner = match (&known, before) {
        (Some(known), None) => Owner::Record(known.value.customer),
        (_, Some(before)) => {
            let on_whole_key = on_whole_key(tx, submission, &typed, &[before.customer]).await?;
            let is_linked = !link::of_customers(tx, &[before.customer]).await?.is_empty();
            matching::owner_again(before, teller.friend, &on_whole_key, is_linked)
        }
        (None, None) => {
            let (linked, own_records) = of_teller(tx, teller.friend).await?;
            let beside: Vec<CustomerId> = linked.into_iter().chain(own_records.iter().copied()).collect();
            let on_whole_key = on_whole_key(tx, submission, &typed, &beside).await?;
            matching::owner(&on_whole_key, linked, &own_records)
        }
    };
    let (customer, own) = match owner {
        Owner::Record(customer) => (customer, None),
        Owner::OwnRecord(customer) => (customer, Some(customer)),
        Owner::New => {
            let typed = made::Typed { name: &submission.name, mobile: Some(&submission.mobile) };
            let made_for = MadeFor::Activity(told.organization);
            let made = made::make(tx, actor, now, typed, made_for, teller.account).await?;
            (made, Some(made))
        }
    };
    let told = Activity { customer, ..told.clone() };
    let kept = activity::keep(tx, actor, told, "", now).await?;
    if known.is_none() {
        let came = Submitted { customer, by: teller.friend, own: own.is_some() };
        submitted_activity::insert(tx, kept.id, came).await?;
    }
    Ok((Some(kept), own))
}

/// Whom the LINE user who submits is linked to, and his own records that nobody is linked to.
async fn of_teller(
    tx: &mut TenantTx,
    friend: Option<FriendId>,
) -> Result<(Option<CustomerId>, Vec<CustomerId>), sqlx::Error> {
    let Some(friend) = friend else { return Ok((None, Vec::new())) };
    let linked = link::of_friend(tx, friend).await?.map(|link| link.stored.value.customer);
    Ok((linked, submitted_activity::own_records(tx, friend).await?))
}

/// The customers on the whole key of what was typed, among those that are near it and `beside`.
async fn on_whole_key(
    tx: &mut TenantTx,
    submission: &Submission,
    typed: &Typed,
    beside: &[CustomerId],
) -> Result<Vec<CustomerId>, Refusal> {
    let mut near = candidate::near(tx, typed).await?;
    near.extend(beside);
    near.sort_unstable();
    near.dedup();
    // Which LINE users they are linked to does not matter: who booked is one thing, and whose LINE it is another.
    let (nobody, nowhere) = (FriendId::from(Uuid::nil()), ProviderId::from(Uuid::nil()));
    let candidates = candidate::compare(tx, &near, typed, nowhere, nobody).await?;
    let is_whole = candidates.iter().filter(|one| submission.method.is_whole_key(one.name, one.has_mobile));
    Ok(is_whole.map(|one| one.customer).collect())
}
