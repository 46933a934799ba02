//! The first message of a LINE user nobody is linked to (D-2). The message itself is messaging's, and always kept.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use identity_linking_core::account::AccountState;
use identity_linking_core::link::Card;
use identity_linking_core::matching::{LinkMethod, OnFirstMessage};
use identity_linking_core::{NamePart, PersonName};
use kernel::{AccountId, LinkAttemptId, Timestamp};
use line_types::id::UserId;

use super::Desk;
use super::acts::{self, Done};
use super::decision::{self, Matter};
use crate::change::ChangeError;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link_attempt::{StoredAttempt, Traces};
use crate::postgres::{account, first_message, friend, link, link_attempt, link_policy, profile_request};

/// The name of a customer whose LINE name nobody can read.
const NAMELESS: &str = "LINEの友だち";
/// Longest name part.
const LONGEST: usize = 100;
const BY_RULE: Actor = Actor::Service("identity-linking");

/// Does what the tenant wants done about a first message.
pub(crate) async fn take(
    desk: &Desk,
    tx: &mut TenantTx,
    now: Timestamp,
    done: Done<'_>,
    user: &UserId,
) -> Result<(), ChangeError> {
    match link_policy::find(tx).await?.value.on_first_message {
        OnFirstMessage::Ignore => Ok(()),
        OnFirstMessage::AskToLink if !acts::may_answer(tx, done, now).await? => Ok(()),
        OnFirstMessage::AskToLink => {
            if let Some(user) = first(tx, done, user, false).await? {
                acts::card(desk, tx, now, done, &user.line_user_id, (Card::Link, LinkMethod::LinkForm)).await?;
            }
            Ok(())
        }
        // Before LINE confirmed the account nobody is registered (F-04); that a message is old is no matter.
        OnFirstMessage::Register if !is_connected(tx, done.account).await? => Ok(()),
        OnFirstMessage::Register => {
            let Some(user) = first(tx, done, user, true).await? else { return Ok(()) };
            if user.profile.display_name.is_some() {
                return register(tx, now, &user).await;
            }
            // The name comes with the profile, or it is known then that nobody can read it.
            profile_request::put(tx, user.id, done.account).await?;
            Ok(())
        }
    }
}

/// The LINE user, locked, where this is the first message of somebody nobody is linked to, and who did not end a link before it:
/// whoever did is neither asked nor registered.
async fn first(
    tx: &mut TenantTx,
    done: Done<'_>,
    user: &UserId,
    registers: bool,
) -> Result<Option<StoredLineUser>, ChangeError> {
    let user = friend::lock(tx, friend::id_of(done.provider, user)).await?.ok_or(sqlx::Error::RowNotFound)?;
    let ended = user.wishes.had_unlinked_by(done.occur_time);
    if ended || link::of_friend(tx, user.id).await?.is_some() {
        return Ok(None);
    }
    let is_first = first_message::note(tx, done.account, user.id, done.occur_time, registers).await?;
    Ok(is_first.then_some(user))
}

async fn is_connected(tx: &mut TenantTx, account: AccountId) -> Result<bool, sqlx::Error> {
    Ok(account::state(tx, account, false).await? == Some(AccountState::Connected))
}

/// Registers a LINE user, locked, whose first message waits for it: by the name shown on LINE, where there is one.
pub(crate) async fn register(tx: &mut TenantTx, now: Timestamp, user: &StoredLineUser) -> Result<(), ChangeError> {
    let Some((account, message_time)) = first_message::take_registration(tx, user.id).await? else { return Ok(()) };
    let attempt = attempt(now, account, user);
    link_attempt::insert(tx, &attempt, Traces::default()).await?;
    decision::by_matching(tx, &BY_RULE, now, Matter { attempt, user, since: message_time, effects_off: false }).await?;
    Ok(())
}

/// LINE signed the message, so nothing is left to be confirmed.
fn attempt(now: Timestamp, account: AccountId, user: &StoredLineUser) -> StoredAttempt {
    let shown = user.profile.display_name.as_deref().unwrap_or(NAMELESS);
    let cut: String = shown.chars().take(LONGEST).collect();
    let name = [cut.as_str(), NAMELESS].into_iter().find_map(|name| NamePart::parse(name).ok());
    StoredAttempt {
        id: LinkAttemptId::new(now),
        version: 1,
        method: LinkMethod::FirstMessage,
        account,
        friend: user.id,
        name: PersonName::new(None, name, None, None).ok(),
        mobile: None,
        submit_time: now,
        confirm_until: now,
        limited: false,
        told_time: None,
        decided: None,
        facts: None,
        customer: None,
        own_customer: None,
        activity: None,
        inquiry: None,
        takeover: None,
        review: None,
    }
}
