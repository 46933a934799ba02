//! The activity of a submission: whose it is.

use std::collections::BTreeSet;

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::activity::Activity;
use identity_linking_core::matching::{self, Owner, Submitted};
use identity_linking_core::{MadeFor, NameKeys};
use kernel::{AccountId, CustomerId, FriendId, ProviderId, Sight, Timestamp};
use uuid::Uuid;

use super::submit::Submission;
use crate::grpc::activity;
use crate::grpc::refusal::Refusal;
use crate::linking::{ledger, made};
use crate::postgres::activity::{StoredActivity, find_by_reference, lock_reference};
use crate::postgres::candidate::{self, Typed};
use crate::postgres::link::{self, ShownLink};
use crate::postgres::submitted_activity;

/// Who tells of an activity.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Teller {
    /// The account of the form token.
    pub(super) account: Option<AccountId>,
    /// The form token's LINE user, locked, where the token is good.
    pub(super) friend: Option<FriendId>,
}

/// What became of an activity.
pub(super) enum Recorded {
    /// It is kept, where there is one; with the own record it is on, where it is on one.
    Kept(Option<StoredActivity>, Option<CustomerId>),
    /// Nothing, and nothing may be committed: this LINE user must be locked before.
    LockFirst(FriendId),
}

/// Records the activity on whom it belongs to, and tells it. Where it comes to be on the record of another LINE user than the one who
/// tells it, that one's link is not certain any more; such LINE users are to be among the `locked` ones.
pub(super) async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    submission: &Submission,
    teller: Teller,
    locked: &BTreeSet<FriendId>,
) -> Result<Recorded, Refusal> {
    let Some(told) = &submission.activity else { return Ok(Recorded::Kept(None, None)) };
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
            let customer = before.came.customer;
            let on_whole_key = on_whole_key(tx, submission, &typed, &[customer]).await?;
            let is_linked = !link::of_customers(tx, &[customer]).await?.is_empty();
            matching::owner_again(before.came, teller.friend, &on_whole_key, is_linked)
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
    if known.is_none()
        && let Some(friend) = lower(tx, actor, now, customer, teller, locked).await?
    {
        return Ok(Recorded::LockFirst(friend));
    }
    let told = Activity { customer, ..told.clone() };
    // Whoever books is found by what was typed, whatever branch that is of.
    let kept = activity::keep(tx, actor, &Sight::Everything, told, "", now).await?;
    match before {
        None if known.is_none() => {
            let came = Submitted { customer, by: teller.friend, own: own.is_some() };
            submitted_activity::insert(tx, kept.id, came).await?;
        }
        // His own word again: LINE is to say anew that it is his.
        Some(before) if before.came.by.is_some() && before.came.by == teller.friend => {
            submitted_activity::keep_telling(tx, kept.id, before.telling.again()).await?;
        }
        _ => {}
    }
    Ok(Recorded::Kept(Some(kept), own))
}

/// Lowers the links of a customer, who is locked with it, to what they are worth once `teller` told something of it; a LINE user
/// whose link is to be lowered and who is not locked.
async fn lower(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    customer: CustomerId,
    teller: Teller,
    locked: &BTreeSet<FriendId>,
) -> Result<Option<FriendId>, Refusal> {
    candidate::lock(tx, &[customer]).await?;
    for ShownLink { link, .. } in link::of_customers(tx, &[customer]).await? {
        let value = &link.stored.value;
        if value.clone().told_by(teller.friend) == *value {
            continue;
        }
        if !locked.contains(&value.friend) {
            return Ok(Some(value.friend));
        }
        ledger::told_by(tx, actor, now, link, teller.friend).await?;
    }
    Ok(None)
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
