//! A LINE user who does something on the staff account: no friend, no customer, and whatever is written there belongs to nobody's
//! conversation. Whoever is nobody of the staff yet is answered with the card that asks for an invitation's code; on an account of the
//! operator's everybody is, as whoever is staff of one tenant may be invited by another.

use chassis::postgres::TenantTx;
use identity_linking_core::friendship::{Friendship, FriendshipState, Seen, Sign};
use identity_linking_core::link::{Act, Answer, Card};
use identity_linking_core::staff::{BindOutcome, StaffLine};
use kernel::{AccountId, ProviderId, Timestamp};
use line_types::id::UserId;

use super::bind::{self, Heard, Word};
use super::{contact, form};
use crate::change::ChangeError;
use crate::linking::answer::{self, To};
use crate::linking::{Desk, acts, form_token};
use crate::postgres::{staff, staff_contact, staff_guest_binding, staff_line_user};

/// What a LINE user did on the staff account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) account: AccountId,
    pub(crate) provider: ProviderId,
    pub(crate) user: &'a UserId,
    pub(crate) seen: &'a Seen,
    /// What follows, apart from who is there.
    pub(crate) act: Option<&'a Act>,
    /// Another module channel holds the chat, or the event is told again to rebuild what was lost: nobody is told anything.
    pub(crate) silent: bool,
}

/// Keeps who is there, does what follows, and answers; whether the LINE user is seen there for the first time.
pub(crate) async fn receive(
    desk: &Desk,
    tx: &mut TenantTx,
    now: Timestamp,
    visit: Visit<'_>,
) -> Result<bool, ChangeError> {
    let Visit { account, provider, user, seen, act, .. } = visit;
    let is_new = keep(tx, now, account, user, seen).await?;
    match act {
        Some(Act::Confirmed(by, nonce)) => {
            let word = Word { account, provider, nonce, user: Some(by), told_time: seen.at };
            match bind::hear(tx, now, word).await? {
                Heard::Decided(BindOutcome::Bound) => say(tx, now, visit, &Answer::StaffBound).await?,
                Heard::Decided(_) => say(tx, now, visit, &Answer::StaffNotBound).await?,
                Heard::Unknown => {
                    metrics::counter!("tsunagi_identity_unknown_nonces_total").increment(1);
                }
                Heard::Again | Heard::Foreign => {}
            }
        }
        Some(Act::Failed(nonce)) => {
            bind::hear(tx, now, Word { account, provider, nonce, user: None, told_time: seen.at }).await?;
        }
        Some(Act::Tapped(..) | Act::Wrote(_)) => card(desk, tx, now, visit).await?,
        None if seen.sign == Sign::Follow => card(desk, tx, now, visit).await?,
        None => {}
    }
    Ok(is_new)
}

/// Keeps what an event tells of a LINE user of the staff account: whoever blocks it is not written to until he comes back. Whether
/// he is seen there for the first time.
async fn keep(
    tx: &mut TenantTx,
    now: Timestamp,
    account: AccountId,
    user: &UserId,
    seen: &Seen,
) -> Result<bool, ChangeError> {
    let first = Friendship::begin(seen);
    if staff_line_user::insert_if_new(tx, account, user, &first).await? {
        return Ok(true);
    }
    let known = staff_line_user::lock(tx, account, user).await?.ok_or(sqlx::Error::RowNotFound)?;
    let folded = known.clone().fold(seen);
    if folded == known {
        return Ok(false);
    }
    staff_line_user::update(tx, account, user, &folded).await?;
    let is_blocked = folded.state() == FriendshipState::Blocked;
    follow(tx, now, account, user, is_blocked).await?;
    let home = tx.tenant();
    for guest in staff_guest_binding::of(tx, account, user).await? {
        tx.turn_to(guest).await?;
        let followed = follow(tx, now, account, user, is_blocked).await;
        tx.turn_to(home).await?;
        followed?;
    }
    Ok(false)
}

/// Keeps whether a LINE user of an account can be written to, where he is staff of the transaction's tenant.
async fn follow(
    tx: &mut TenantTx,
    now: Timestamp,
    account: AccountId,
    user: &UserId,
    is_blocked: bool,
) -> Result<(), ChangeError> {
    let Some(id) = staff_contact::bound_to(tx, account, user).await? else { return Ok(()) };
    let member = staff::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    // Unbound by now, perhaps, or bound to another.
    let contact = staff_contact::find(tx, id).await?;
    let line = contact.line.clone().filter(|line| line.account == account && line.user == *user);
    if let Some(line) = line.filter(|line| line.is_blocked != is_blocked) {
        contact::keep(tx, now, &member, contact, Some(StaffLine { is_blocked, ..line })).await?;
    }
    Ok(())
}

/// Answers somebody who is nobody of the account's own staff, and whose row is locked, with the card that asks for a code.
async fn card(desk: &Desk, tx: &mut TenantTx, now: Timestamp, visit: Visit<'_>) -> Result<(), ChangeError> {
    let Visit { account, user, .. } = visit;
    if !may_answer(tx, now, visit).await? || staff_contact::bound_to(tx, account, user).await?.is_some() {
        return Ok(());
    }
    let Some(token) = form::issue(tx, now, account, user).await? else { return Ok(()) };
    let answer = Answer::Card(Card::Staff, form_token::address(&desk.pages_url, &token));
    tell(tx, now, visit, &answer).await
}

async fn say(tx: &mut TenantTx, now: Timestamp, visit: Visit<'_>, answer: &Answer) -> Result<(), ChangeError> {
    if may_answer(tx, now, visit).await? { tell(tx, now, visit, answer).await } else { Ok(()) }
}

async fn may_answer(tx: &mut TenantTx, now: Timestamp, visit: Visit<'_>) -> Result<bool, ChangeError> {
    Ok(!visit.silent && acts::is_answered(tx, now, visit.account, visit.seen.at).await?)
}

async fn tell(tx: &mut TenantTx, now: Timestamp, visit: Visit<'_>, answer: &Answer) -> Result<(), ChangeError> {
    let to = To { account: visit.account, user: visit.user };
    answer::to_event(tx, now, to, (&visit.seen.event_id, visit.seen.at), answer).await
}
