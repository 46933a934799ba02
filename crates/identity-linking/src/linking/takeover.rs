//! Taking a link over from another LINE user of the same person (L-03): asked, answered, settled.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::link::{
    Answer, LinkEndCause, LinkOrigin, Note, TAKEOVER_OPEN_FOR, TakeoverState, taken_over,
};
use identity_linking_core::matching::{Way, way_to};
use kernel::{CustomerId, FriendId, StaffId, TakeoverRequestId, Timestamp};
use serde_json::json;

use super::answer::{self, To};
use super::ledger::{self, Begin};
use super::{decision, merge};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::StoredAttempt;
use crate::postgres::takeover::StoredTakeover;
use crate::postgres::{candidate, friend, friendship, link, takeover};

/// Opens a request of `user` for a customer, locked, who is linked to another LINE user; that one is asked.
pub(crate) async fn open(
    tx: &mut TenantTx,
    now: Timestamp,
    attempt: &StoredAttempt,
    customer: CustomerId,
    user: &StoredLineUser,
) -> Result<TakeoverRequestId, ChangeError> {
    let linked = link::of_customer(tx, customer, user.provider).await?.ok_or(sqlx::Error::RowNotFound)?;
    let request = StoredTakeover {
        id: TakeoverRequestId::new(now),
        version: 1,
        attempt: attempt.id,
        customer,
        link: linked.stored.id,
        linked: linked.stored.value.friend,
        asking: user.id,
        assurance: attempt.method.assurance(),
        state: TakeoverState::Open,
        create_time: now,
        expire_time: now + TAKEOVER_OPEN_FOR,
        settle_time: None,
        staff: None,
        note: None,
    };
    let (id, is_new) = takeover::open(tx, &request).await?;
    if is_new {
        metrics::counter!("tsunagi_identity_takeovers_opened_total").increment(1);
        // The LINE user linked now is asked where he can be reached; staff can settle it anyway.
        if let Some(account) = friendship::reachable_by(tx, request.linked, attempt.account).await? {
            let asked = friend::find(tx, request.linked).await?.ok_or(sqlx::Error::RowNotFound)?;
            let to = To { account, user: &asked.line_user_id };
            answer::unasked(tx, now, to, id.uuid(), &Answer::AskToTakeOver(id)).await?;
        }
    }
    Ok(id)
}

/// What the LINE user linked until now said, at a moment by LINE's clock. Anybody else's word, and one about a settled request,
/// changes nothing.
pub(crate) async fn answered_by_line_user(
    tx: &mut TenantTx,
    now: Timestamp,
    id: TakeoverRequestId,
    by: FriendId,
    yes: bool,
    told_time: Timestamp,
) -> Result<(), ChangeError> {
    let Some(request) = takeover::lock(tx, id).await? else { return Ok(()) };
    if request.linked != by || request.state != TakeoverState::Open || told_time >= request.expire_time {
        return Ok(());
    }
    let actor = Actor::Service("identity-linking");
    if yes {
        hand_over(tx, &actor, now, request, (TakeoverState::Confirmed, None, None), told_time).await?;
    } else {
        settle(tx, &actor, now, request, (TakeoverState::Declined, None, None)).await?;
    }
    Ok(())
}

/// Who settles a request, as what, and what they say.
pub(crate) type Settlement = (TakeoverState, Option<StaffId>, Option<Note>);

/// Hands a customer's link over to the LINE user who asks, since `since`, both sides as they stand under their locks; where they are
/// not any more as they were when it was asked, the request is obsolete. The request is locked and open.
pub(crate) async fn hand_over(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    request: StoredTakeover,
    (state, staff, note): Settlement,
    since: Timestamp,
) -> Result<StoredTakeover, ChangeError> {
    let mut both = [request.linked, request.asking];
    both.sort_unstable();
    for one in both {
        friend::lock(tx, one).await?.ok_or(sqlx::Error::RowNotFound)?;
    }
    let asking = friend::find(tx, request.asking).await?.ok_or(sqlx::Error::RowNotFound)?;
    let own = link::of_friend(tx, request.asking).await?.map(|link| link.stored.value.customer);
    let at_stake: Vec<CustomerId> = own.into_iter().chain([request.customer]).collect();
    candidate::lock(tx, &at_stake).await?;
    let current = link::of_customer(tx, request.customer, asking.provider).await?;
    let current = current.filter(|link| link.stored.id == request.link);
    let way = way_to(decision::linked(tx, own).await?, request.customer);
    // Whoever ended a link after asking does not want this one any more.
    let wants = asking.wishes.unlinked_after(request.create_time).is_none();
    let Some(current) = current.filter(|_| wants && matches!(way, Way::Begin | Way::Absorb(_))) else {
        return settle(tx, actor, now, request, (TakeoverState::Obsolete, staff, note)).await;
    };
    let assurance = taken_over(request.assurance, current.stored.value.assurance, state);
    ledger::end(tx, actor, now, current, (since, LinkEndCause::Takeover, note.clone())).await?;
    let begin = Begin {
        customer: request.customer,
        user: &asking,
        assurance,
        origin: LinkOrigin::Takeover,
        attempt: Some(request.attempt),
        note: note.clone(),
        since,
    };
    merge::begin_or_absorb(tx, actor, now, way, begin).await?;
    if state == TakeoverState::Approved {
        ledger::touch(tx, actor, now, request.customer).await?;
    }
    settle(tx, actor, now, request, (state, staff, note)).await
}

/// Keeps what became of a request.
pub(crate) async fn settle(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    request: StoredTakeover,
    (state, staff, note): Settlement,
) -> Result<StoredTakeover, ChangeError> {
    let version = request.version + 1;
    let kept = StoredTakeover { version, state, settle_time: Some(now), staff, note, ..request };
    takeover::settle(tx, &kept).await?;
    metrics::counter!("tsunagi_identity_takeovers_settled_total", "state" => state.as_str()).increment(1);
    let subject = Subject { kind: "takeover_request", id: kept.id.uuid(), version };
    change::note(tx, actor, "takeover.settle", subject, json!({ "state": state.as_str() })).await?;
    Ok(kept)
}
