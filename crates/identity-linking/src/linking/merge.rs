//! A customer absorbs a provisional one of the same LINE user, and gives it back (D-9).

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::link::{self as rules, LinkEndCause, LinkOrigin, Note, Undo};
use identity_linking_core::matching::Way;
use kernel::{CustomerId, MergeId, Timestamp};
use serde_json::json;

use super::ledger::{self, Begin};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::customer::StoredCustomer;
use crate::postgres::merge::StoredMerge;
use crate::postgres::{candidate, customer, friend, link, merge};
use crate::replica;

/// Why a merge is not undone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UndoError {
    /// It was undone before, or the LINE user is linked elsewhere by now.
    #[error("the merge was undone, or the LINE user is linked elsewhere")]
    NotUndoable,
    /// It could not be done now.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<sqlx::Error> for UndoError {
    fn from(error: sqlx::Error) -> Self {
        Self::Change(error.into())
    }
}

/// Begins a link with a customer somebody chose, as [`way_to`](identity_linking_core::matching::way_to) says it is done. Both customers
/// are locked.
pub(crate) async fn begin_or_absorb(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    way: Way,
    begin: Begin<'_>,
) -> Result<(), ChangeError> {
    match way {
        Way::Begin => {
            ledger::begin(tx, actor, now, begin).await?;
            Ok(())
        }
        Way::Absorb(absorbed) => absorb(tx, actor, now, absorbed, begin).await,
        Way::Already => confirm(tx, actor, now, begin).await,
        Way::Bound => Ok(()),
    }
}

/// Has whoever chose the customer that the LINE user is linked to already vouch for that link.
async fn confirm(tx: &mut TenantTx, actor: &Actor, now: Timestamp, begin: Begin<'_>) -> Result<(), ChangeError> {
    let Some(note) = begin.note else { return Ok(()) };
    let link = link::of_friend(tx, begin.user.id).await?.ok_or(sqlx::Error::RowNotFound)?;
    ledger::confirm(tx, actor, now, link, note).await?;
    Ok(())
}

/// Has the customer of `begin` absorb a provisional one: the link moves, and nothing is copied, so that nothing is overwritten
/// (F-02). The LINE user and both customers are locked.
pub(crate) async fn absorb(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    absorbed: CustomerId,
    begin: Begin<'_>,
) -> Result<(), ChangeError> {
    let survivor = begin.customer;
    let old = link::of_friend(tx, begin.user.id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let (ended_link, since) = (old.stored.id, begin.since);
    let attempt = begin.attempt.ok_or(sqlx::Error::RowNotFound)?;
    ledger::end(tx, actor, now, old, (since, LinkEndCause::Merge, None)).await?;
    let new_link = ledger::begin(tx, actor, now, begin).await?.stored.id;
    point(tx, actor, now, absorbed, Some(survivor)).await?;
    let id = MergeId::new(now);
    let (create_time, undo_time, note) = (now, None, None);
    let kept = StoredMerge { id, survivor, absorbed, attempt, ended_link, new_link, create_time, undo_time, note };
    merge::insert(tx, &kept).await?;
    note_merge(tx, actor, "merge.absorb", &kept).await
}

/// Gives the absorbed customer back, and the link with it.
pub(crate) async fn undo(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    id: MergeId,
    note: Note,
) -> Result<Option<StoredMerge>, UndoError> {
    let Some(found) = merge::find(tx, id).await? else { return Ok(None) };
    let moved = link::find(tx, found.new_link).await?.ok_or(sqlx::Error::RowNotFound)?.link;
    let before = link::find(tx, found.ended_link).await?.ok_or(sqlx::Error::RowNotFound)?.link;
    let user = friend::lock(tx, moved.stored.value.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    candidate::lock(tx, &[found.survivor, found.absorbed]).await?;
    // Looked at again under the lock: somebody else may have been first.
    let mut kept = merge::find(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let current = link::of_friend(tx, user.id).await?;
    let linked_to = current.as_ref().map(|link| link.stored.value.customer);
    let how = rules::undo(kept.undo_time.is_some(), kept.survivor, linked_to).ok_or(UndoError::NotUndoable)?;
    point(tx, actor, now, kept.absorbed, None).await?;
    // Whoever gives it back knows that it is another: no form has it absorbed again.
    ledger::touch(tx, actor, now, kept.absorbed).await?;
    if let (Undo::MoveBack, Some(current)) = (how, current) {
        let wish_time = current.wish_time;
        ledger::end(tx, actor, now, current, (now, LinkEndCause::Merge, Some(note.clone()))).await?;
        let begin = Begin {
            customer: kept.absorbed,
            user: &user,
            assurance: before.stored.value.assurance,
            origin: LinkOrigin::Merge,
            attempt: before.attempt,
            note: Some(note.clone()),
            since: now,
            // Whoever gives it back says who the LINE user is, not what he wishes.
            wish_time,
        };
        ledger::begin(tx, actor, now, begin).await?;
    }
    kept.undo_time = Some(now);
    kept.note = Some(note);
    merge::undo(tx, &kept).await?;
    note_merge(tx, actor, "merge.undo", &kept).await?;
    Ok(Some(kept))
}

/// Points a customer to the one that absorbed it, or to none any more.
async fn point(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    id: CustomerId,
    merged_into: Option<CustomerId>,
) -> Result<(), ChangeError> {
    let found = customer::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let value = found.stored.value.clone();
    let kept = StoredCustomer { stored: found.stored.changed(value), update_time: now, merged_into };
    customer::update(tx, &kept).await?;
    let subject = Subject { kind: "customer", id: id.uuid(), version: kept.stored.version };
    change::record(tx, actor, "customer.merge", subject, now, Body::Customer(replica::customer(&kept))).await
}

async fn note_merge(
    tx: &mut TenantTx,
    actor: &Actor,
    action: &'static str,
    kept: &StoredMerge,
) -> Result<(), ChangeError> {
    let subject = Subject { kind: "merge", id: kept.id.uuid(), version: 1 };
    change::note(tx, actor, action, subject, json!({ "survivor": kept.survivor, "absorbed": kept.absorbed })).await
}
