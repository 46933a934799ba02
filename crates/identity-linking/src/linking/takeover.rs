//! Taking a link over from another LINE user of the same person (L-03): asked, answered, settled.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::link::{
    Answer, LinkEndCause, LinkOrigin, Note, TAKEOVER_OPEN_FOR, TakeoverState, taken_over,
};
use identity_linking_core::matching::{Way, way_to};
use identity_linking_core::staff::NoticeKind;
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
use crate::staff_notice::{self, Matter};

/// A request with its two sides, all locked: the LINE users, the customers at stake, then the request.
#[derive(Debug)]
pub(crate) struct Sides {
    /// The request.
    pub(crate) request: StoredTakeover,
    /// The LINE user who asks.
    asking: StoredLineUser,
    /// The customer that one is linked to.
    own: Option<CustomerId>,
}

/// Opens a request of a LINE user for a customer, both locked, who is linked to another LINE user; that one is asked, unless
/// `effects_off`. `since`: when it was asked for, by LINE's clock. Where a request of the same is open, it stands for what is asked
/// now as well.
pub(crate) async fn open(
    tx: &mut TenantTx,
    now: Timestamp,
    attempt: &StoredAttempt,
    customer: CustomerId,
    (user, since): (&StoredLineUser, Timestamp),
    effects_off: bool,
) -> Result<TakeoverRequestId, ChangeError> {
    let assurance = attempt.method.assurance();
    if let Some(request) = takeover::lock_open(tx, customer, user.id).await? {
        let again = StoredTakeover {
            version: request.version + 1,
            attempt: attempt.id,
            assurance: request.assurance.max(assurance),
            ask_time: request.ask_time.max(since),
            ..request
        };
        takeover::ask_again(tx, &again).await?;
        return Ok(again.id);
    }
    let linked = link::of_customer(tx, customer, user.provider).await?.ok_or(sqlx::Error::RowNotFound)?;
    let request = StoredTakeover {
        id: TakeoverRequestId::new(now),
        version: 1,
        attempt: attempt.id,
        customer,
        link: linked.stored.id,
        linked: linked.stored.value.friend,
        asking: user.id,
        assurance,
        state: TakeoverState::Open,
        ask_time: since,
        create_time: now,
        expire_time: now + TAKEOVER_OPEN_FOR,
        settle_time: None,
        staff: None,
        note: None,
    };
    let is_asked = takeover::has_open(tx, customer).await?;
    takeover::insert(tx, &request).await?;
    metrics::counter!("tsunagi_identity_takeovers_opened_total").increment(1);
    if !effects_off {
        let matter = Matter {
            kind: NoticeKind::TakeoverRequested,
            subject: request.id.uuid(),
            occasion: "",
            account: attempt.account,
            user: Some(&user.line_user_id),
            occur_time: since,
        };
        staff_notice::ask(tx, now, matter, Some(customer)).await?;
    }
    // The LINE user linked now is asked where he can be reached, one question at a time, however many ask; staff can settle it anyway.
    let reachable = friendship::reachable_by(tx, request.linked, attempt.account).await?;
    if let Some(account) = reachable.filter(|_| !effects_off && !is_asked) {
        let asked = friend::find(tx, request.linked).await?.ok_or(sqlx::Error::RowNotFound)?;
        let to = To { account, user: &asked.line_user_id };
        answer::unasked(tx, now, to, request.id.uuid(), &Answer::AskToTakeOver(request.id)).await?;
    }
    Ok(request.id)
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
    let Some(sides) = lock(tx, id).await?.filter(|sides| sides.request.linked == by) else { return Ok(()) };
    if sides.request.state != TakeoverState::Open || told_time >= sides.request.expire_time {
        return Ok(());
    }
    let actor = Actor::Service("identity-linking");
    if yes {
        hand_over(tx, &actor, now, sides, (TakeoverState::Confirmed, None, None), told_time).await?;
    } else {
        settle(tx, &actor, now, sides.request, (TakeoverState::Declined, None, None)).await?;
    }
    Ok(())
}

/// A request with its two sides, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: TakeoverRequestId) -> Result<Option<Sides>, ChangeError> {
    let Some(found) = takeover::find(tx, id).await? else { return Ok(None) };
    let mut both = [found.linked, found.asking];
    both.sort_unstable();
    for one in both {
        friend::lock(tx, one).await?.ok_or(sqlx::Error::RowNotFound)?;
    }
    let asking = friend::find(tx, found.asking).await?.ok_or(sqlx::Error::RowNotFound)?;
    let own = link::of_friend(tx, found.asking).await?.map(|link| link.stored.value.customer);
    let at_stake: Vec<CustomerId> = own.into_iter().chain([found.customer]).collect();
    candidate::lock(tx, &at_stake).await?;
    Ok(takeover::lock(tx, id).await?.map(|request| Sides { request, asking, own }))
}

/// Who settles a request, as what, and what they say.
pub(crate) type Settlement = (TakeoverState, Option<StaffId>, Option<Note>);

/// Hands a customer's link over to the LINE user who asks, since `since`, both sides as they stand under their locks; where they are
/// not any more as they were when it was asked, the request is obsolete. The request is open.
pub(crate) async fn hand_over(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    Sides { request, asking, own }: Sides,
    (state, staff, note): Settlement,
    since: Timestamp,
) -> Result<StoredTakeover, ChangeError> {
    let current = link::of_customer(tx, request.customer, asking.provider).await?;
    let current = current.filter(|link| link.stored.id == request.link);
    let way = way_to(decision::linked(tx, own).await?, request.customer);
    // Whoever ended a link after asking does not want this one any more.
    let wants = asking.wishes.unlinked_after(request.ask_time).is_none();
    let Some(current) = current.filter(|_| wants && matches!(way, Way::Begin | Way::Absorb(_))) else {
        return settle(tx, actor, now, request, (TakeoverState::Obsolete, staff, note)).await;
    };
    let assurance = taken_over(request.assurance, current.stored.value.assurance, state);
    // First, so that the end of the link finds the others alone.
    let settled = settle(tx, actor, now, request, (state, staff, note.clone())).await?;
    ledger::end(tx, actor, now, current, (since, LinkEndCause::Takeover, note.clone())).await?;
    let begin = Begin {
        customer: settled.customer,
        user: &asking,
        assurance,
        origin: LinkOrigin::Takeover,
        attempt: Some(settled.attempt),
        note,
        since,
        wish_time: settled.ask_time,
    };
    merge::begin_or_absorb(tx, actor, now, way, begin).await?;
    if state == TakeoverState::Approved {
        ledger::touch(tx, actor, now, settled.customer).await?;
    }
    Ok(settled)
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
