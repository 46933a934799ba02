//! The first message of a LINE user nobody is linked to (D-2). The message itself is messaging's, and always kept.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
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
use crate::postgres::{first_message, friend, link, link_attempt, link_policy};

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
    let policy = link_policy::find(tx).await?.value.on_first_message;
    if policy == OnFirstMessage::Ignore {
        return Ok(());
    }
    let user = friend::lock(tx, friend::id_of(done.provider, user)).await?.ok_or(sqlx::Error::RowNotFound)?;
    if link::of_friend(tx, user.id).await?.is_some() {
        return Ok(());
    }
    let registers = policy == OnFirstMessage::Register;
    if !first_message::note(tx, done.account, user.id, done.occur_time, registers).await? {
        return Ok(());
    }
    if !registers {
        return acts::card(desk, tx, now, done, &user.line_user_id, (Card::Link, LinkMethod::LinkForm)).await;
    }
    // Otherwise the name comes with the profile, which is asked for from the first sight on.
    if user.profile.display_name.is_some() {
        register(tx, now, &user).await?;
    }
    Ok(())
}

/// Registers a LINE user, locked, whose first message waits for it: by the name shown on LINE, where there is one.
pub(crate) async fn register(tx: &mut TenantTx, now: Timestamp, user: &StoredLineUser) -> Result<(), ChangeError> {
    let Some((account, message_time)) = first_message::take_registration(tx, user.id).await? else { return Ok(()) };
    let attempt = attempt(now, account, user);
    link_attempt::insert(tx, &attempt, Traces::default()).await?;
    decision::by_matching(tx, &BY_RULE, now, Matter { attempt, user, since: message_time }).await?;
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
        heard: true,
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
