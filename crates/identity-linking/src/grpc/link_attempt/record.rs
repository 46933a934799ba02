//! The activity of a submission: whose it is.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::activity::Activity;
use identity_linking_core::matching::{Case, OnNoMatch};
use identity_linking_core::{MadeFor, NameKeys};
use kernel::{AccountId, CustomerId, FriendId, ProviderId, Timestamp};
use uuid::Uuid;

use super::submit::Submission;
use crate::grpc::activity;
use crate::grpc::refusal::Refusal;
use crate::linking::made;
use crate::postgres::activity::{StoredActivity, find_by_reference};
use crate::postgres::candidate::{self, Typed};

/// Records the activity on the one customer who matches, or on a new one; the new one is told. The form token's LINE user is locked.
pub(super) async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    submission: &Submission,
    account: Option<AccountId>,
) -> Result<(Option<StoredActivity>, Option<CustomerId>), Refusal> {
    let Some(told) = &submission.activity else { return Ok((None, None)) };
    let known = find_by_reference(tx, told.kind, &told.external_reference).await?;
    // The same booking again stays with whom it is.
    let (customer, own) = if let Some(known) = known {
        (known.value.customer, None)
    } else {
        owner(tx, actor, now, submission, told, account).await?
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
    account: Option<AccountId>,
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
    let typed = made::Typed { name: &submission.name, mobile: Some(&submission.mobile) };
    let made = made::make(tx, actor, now, typed, MadeFor::Activity(told.organization), account).await?;
    Ok((made, Some(made)))
}
