//! What LINE users do in the chat: confirm, tap, write.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::account::{AccountPurpose, AccountState};
use identity_linking_core::link::{Act, Answer, Card, Confirmation, LinkEndCause, Tap, is_too_old_to_answer};
use identity_linking_core::matching::LinkMethod;
use kernel::{AccountId, ProviderId, Timestamp};
use line_types::id::UserId;

use super::answer::{self, To};
use super::confirmation::{self, Word};
use super::{Desk, decision, first_message, form_token, ledger, takeover};
use crate::change::ChangeError;
use crate::postgres::{account, friend, link};

/// Who does what LINE users ask for.
pub(crate) const BY_LINE_USER: Actor = Actor::Service("identity-linking");

/// An event in which a LINE user did something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'a> {
    pub(crate) account: AccountId,
    pub(crate) provider: ProviderId,
    pub(crate) event_id: &'a str,
    pub(crate) occur_time: Timestamp,
    /// A further message of the user leads to nothing.
    pub(crate) settled: bool,
    /// What LINE users told is kept, and nobody is told anything in the chat, nor registered by a message: the event is told again to
    /// rebuild what was lost.
    pub(crate) effects_off: bool,
    pub(crate) act: &'a Act,
}

/// Does what follows from what a LINE user did.
pub(crate) async fn take(desk: &Desk, tx: &mut TenantTx, done: Done<'_>) -> Result<(), ChangeError> {
    let now = desk.registry.now();
    let Done { account, occur_time, effects_off, .. } = done;
    let word = |nonce, confirmation| Word { account, nonce, confirmation, told_time: occur_time, effects_off };
    match done.act {
        Act::Failed(nonce) => {
            confirmation::take(tx, now, word(nonce, Confirmation::Failed)).await?;
            Ok(())
        }
        Act::Confirmed(user, nonce) => {
            let confirmed = Confirmation::Ok(friend::id_of(done.provider, user));
            if confirmation::take(tx, now, word(nonce, confirmed)).await? {
                say(tx, now, done, user, &Answer::Received).await?;
            }
            Ok(())
        }
        Act::Tapped(user, tap) => tapped(desk, tx, now, done, user, *tap).await,
        Act::Wrote(user) if !done.settled && !done.effects_off => first_message::take(desk, tx, now, done, user).await,
        Act::Wrote(_) => Ok(()),
    }
}

/// Does what follows from an event in which LINE names nobody.
pub(crate) async fn unnamed(
    desk: &Desk,
    tx: &mut TenantTx,
    account: AccountId,
    told_time: Timestamp,
    act: &Act,
) -> Result<(), ChangeError> {
    let Act::Failed(nonce) = act else { return Ok(()) };
    // A nonce of the staff account's is no attempt's, and nobody is bound by a word that names nobody.
    if account::purpose(tx, account).await?.is_some_and(AccountPurpose::is_for_staff) {
        return Ok(());
    }
    let word = Word { account, nonce, confirmation: Confirmation::Failed, told_time, effects_off: true };
    confirmation::take(tx, desk.registry.now(), word).await?;
    Ok(())
}

async fn tapped(
    desk: &Desk,
    tx: &mut TenantTx,
    now: Timestamp,
    done: Done<'_>,
    user: &UserId,
    tap: Tap,
) -> Result<(), ChangeError> {
    match tap {
        Tap::Inquiry => card(desk, tx, now, done, user, (Card::Inquiry, LinkMethod::InquiryForm)).await,
        Tap::Reservations => card(desk, tx, now, done, user, (Card::Link, LinkMethod::LinkForm)).await,
        Tap::Unlink => say(tx, now, done, user, &Answer::AskToUnlink).await,
        Tap::UnlinkYes => {
            if unlink(tx, now, done, user).await? {
                say(tx, now, done, user, &Answer::Unlinked).await?;
            }
            Ok(())
        }
        Tap::UnlinkNo => Ok(()),
        Tap::Takeover(request, yes) => {
            let linked = friend::id_of(done.provider, user);
            takeover::answered_by_line_user(tx, now, request, linked, yes, done.occur_time).await?;
            say(tx, now, done, user, &Answer::TakeoverAnswered).await
        }
    }
}

/// Ends the link that there was when the LINE user said so, by LINE's clock, unless it was confirmed again since. Whether nobody is
/// linked to him now.
async fn unlink(tx: &mut TenantTx, now: Timestamp, done: Done<'_>, user: &UserId) -> Result<bool, ChangeError> {
    let id = friend::id_of(done.provider, user);
    let mut user = friend::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    user.wishes = user.wishes.with_unlink(done.occur_time);
    friend::keep_wishes(tx, id, user.wishes).await?;
    let Some(link) = link::of_friend(tx, id).await? else { return Ok(true) };
    if !user.wishes.mean(link.wish_time, done.occur_time) {
        return Ok(false);
    }
    let from = link.stored.value.customer;
    ledger::end(tx, &BY_LINE_USER, now, link, (done.occur_time, LinkEndCause::LineUser, None)).await?;
    decision::again_after(tx, &BY_LINE_USER, now, &user, (done.occur_time, from), done.effects_off).await?;
    Ok(link::of_friend(tx, id).await?.is_none())
}

/// Answers with a card that opens a form.
pub(crate) async fn card(
    desk: &Desk,
    tx: &mut TenantTx,
    now: Timestamp,
    done: Done<'_>,
    user: &UserId,
    (card, method): (Card, LinkMethod),
) -> Result<(), ChangeError> {
    if !may_answer(tx, done, now).await? {
        return Ok(());
    }
    let friend = friend::id_of(done.provider, user);
    let (token, _) = form_token::issue(tx, now, done.account, friend, method).await?;
    let answer = Answer::Card(card, form_token::address(&desk.pages_url, &token));
    answer::to_event(tx, now, To { account: done.account, user }, (done.event_id, done.occur_time), &answer).await
}

async fn say(
    tx: &mut TenantTx,
    now: Timestamp,
    done: Done<'_>,
    user: &UserId,
    answer: &Answer,
) -> Result<(), ChangeError> {
    if !may_answer(tx, done, now).await? {
        return Ok(());
    }
    answer::to_event(tx, now, To { account: done.account, user }, (done.event_id, done.occur_time), answer).await
}

/// Whether what was done is answered: not when it was long ago, and not before LINE confirmed the account (F-04).
pub(crate) async fn may_answer(tx: &mut TenantTx, done: Done<'_>, now: Timestamp) -> Result<bool, ChangeError> {
    Ok(!done.effects_off && is_answered(tx, now, done.account, done.occur_time).await?)
}

/// Whether what was done on an account at a time is answered at all.
pub(crate) async fn is_answered(
    tx: &mut TenantTx,
    now: Timestamp,
    account: AccountId,
    occur_time: Timestamp,
) -> Result<bool, ChangeError> {
    Ok(!is_too_old_to_answer(occur_time, now)
        && account::state(tx, account, false).await? == Some(AccountState::Connected))
}
