//! LINE's word about who submitted a form.

use chassis::audit::Actor;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::inquiry::InquiryState;
use identity_linking_core::link::{Confirmation, Decided, Nonce, Pending, Verdict, judge};
use identity_linking_core::matching::Reason;
use kernel::{AccountId, InquiryId, Timestamp};

use super::decision::{self, Matter};
use crate::change::{self, ChangeError, Subject};
use crate::postgres::link_attempt::StoredAttempt;
use crate::postgres::{friend, inquiry, link_attempt};
use crate::replica;

/// Who decides what LINE's word leads to.
const BY_RULE: Actor = Actor::Service("identity-linking");

/// LINE's word of `told_time` (LINE's clock), from an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a> {
    pub(crate) account: AccountId,
    pub(crate) nonce: &'a Nonce,
    pub(crate) confirmation: Confirmation,
    pub(crate) told_time: Timestamp,
    /// It is told again to rebuild what was lost: nobody is told anything in the chat.
    pub(crate) effects_off: bool,
}

/// Decides the attempt that LINE's word is about; whether it told anything new. A word about no attempt of ours is somebody else's,
/// and changes nothing.
pub(crate) async fn take(tx: &mut TenantTx, now: Timestamp, word: Word<'_>) -> Result<bool, ChangeError> {
    let Some(mut attempt) = link_attempt::lock_by_nonce(tx, word.nonce).await? else {
        metrics::counter!("tsunagi_identity_unknown_nonces_total").increment(1);
        return Ok(false);
    };
    let verdict = judge(&pending(&attempt), word.account, word.confirmation, word.told_time);
    attempt.told_time = Some(word.told_time);
    match verdict {
        Verdict::Known => {}
        Verdict::Refuse(refusal) => {
            // The right LINE user who comes too late wrote it all the same.
            if word.confirmation != Confirmation::Ok(attempt.friend) {
                tell_inquiry(tx, now, attempt.inquiry, InquiryState::Refuted).await?;
            }
            decision::by_refusal(tx, &BY_RULE, now, attempt, refusal).await?;
        }
        Verdict::Match => {
            failpoint::reached("identity.link.confirmed");
            tell_inquiry(tx, now, attempt.inquiry, InquiryState::Confirmed).await?;
            let user = friend::lock(tx, attempt.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
            let matter = Matter { attempt, user: &user, since: word.told_time, effects_off: word.effects_off };
            let decided = decision::by_matching(tx, &BY_RULE, now, matter).await?.decided;
            // A confirmation that led to no link does not stand against an end of the link there is.
            if decided.is_some_and(|decided| decided.outcome.begins_link()) {
                friend::keep_wishes(tx, user.id, user.wishes.with_confirmation(word.told_time)).await?;
            }
        }
    }
    Ok(verdict != Verdict::Known)
}

fn pending(attempt: &StoredAttempt) -> Pending {
    let decided = attempt.decided.map(|decided| {
        // What the sweep gave up has this reason, and LINE's word never came.
        if decided.reason == Reason::NotConfirmedByLine && attempt.told_time.is_none() {
            Decided::Unheard
        } else {
            Decided::ByLine
        }
    });
    Pending { account: attempt.account, friend: attempt.friend, submit_time: attempt.submit_time, decided }
}

/// Keeps what LINE said of who wrote an inquiry, and tells it.
async fn tell_inquiry(
    tx: &mut TenantTx,
    now: Timestamp,
    id: Option<InquiryId>,
    state: InquiryState,
) -> Result<(), ChangeError> {
    let Some(id) = id else { return Ok(()) };
    let kept = inquiry::lock(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let value = kept.value.clone().told(state);
    if value == kept.value {
        return Ok(());
    }
    let kept = kept.changed(value);
    inquiry::update_state(tx, &kept).await?;
    let user = friend::find(tx, kept.value.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    let subject = Subject { kind: "inquiry", id: id.uuid(), version: kept.version };
    change::announce(tx, subject, now, Body::Inquiry(replica::inquiry(&kept, &user.line_user_id))).await
}
