//! Links as they begin and end: kept, noted in the audit trail, and told to the others.

use chassis::audit::Actor;
use chassis::postgres::TenantTx;
use contracts::events::v1::identity_event::Body;
use identity_linking_core::link::{Link, LinkEndCause, LinkOrigin, Note, TakeoverState};
use identity_linking_core::matching::Assurance;
use kernel::{CustomerId, FriendId, LinkAttemptId, LinkId, Timestamp};
use serde_json::json;

use super::takeover;
use crate::change::{self, ChangeError, Subject};
use crate::postgres::customer::StoredCustomer;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::link::{self, StoredLink};
use crate::postgres::{Stored, customer, friend, link_attempt, takeover as takeovers};
use crate::replica;

/// A link that is to begin.
#[derive(Clone, Debug)]
pub(crate) struct Begin<'a> {
    pub(crate) customer: CustomerId,
    pub(crate) user: &'a StoredLineUser,
    pub(crate) assurance: Assurance,
    pub(crate) origin: LinkOrigin,
    pub(crate) attempt: Option<LinkAttemptId>,
    pub(crate) note: Option<Note>,
    /// Since when: by LINE's clock where LINE confirmed it, so that it compares with what the LINE user does later.
    pub(crate) since: Timestamp,
    /// When the LINE user wished it, by LINE's clock, which may be earlier where staff settled it.
    pub(crate) wish_time: Timestamp,
}

/// Begins a link. Customer and LINE user are locked, and neither has an active one.
pub(crate) async fn begin(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    begin: Begin<'_>,
) -> Result<StoredLink, ChangeError> {
    let value = Link {
        customer: begin.customer,
        friend: begin.user.id,
        provider: begin.user.provider,
        assurance: begin.assurance,
        origin: begin.origin,
        end: None,
        note: begin.note,
    };
    let stored = Stored { id: LinkId::new(now), version: 1, create_time: begin.since, value };
    let kept = StoredLink { stored, attempt: begin.attempt, wish_time: begin.wish_time };
    link::insert(tx, &kept).await?;
    if kept.stored.value.origin.answers_what_is_held() {
        link_attempt::settle_held(tx, begin.user.id, begin.attempt, now).await?;
    }
    metrics::counter!("tsunagi_identity_links_begun_total", "origin" => begin.origin.as_str()).increment(1);
    tell(tx, actor, "link.begin", now, &kept.stored, begin.user).await?;
    Ok(kept)
}

/// Ends a link at `time`, but not before it began, whichever clock says so. Its LINE user is locked.
pub(crate) async fn end(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    of: StoredLink,
    (time, cause, note): (Timestamp, LinkEndCause, Option<Note>),
) -> Result<Stored<LinkId, Link>, ChangeError> {
    // Whoever asked to take this very link over asks for nothing any more.
    for request in takeovers::lock_open_for(tx, of.stored.id).await? {
        takeover::settle(tx, actor, now, request, (TakeoverState::Obsolete, None, None)).await?;
    }
    let time = time.max(of.stored.create_time);
    let value = of.stored.value.clone().ended(time, cause, note);
    keep(tx, actor, "link.end", now, of.stored.changed(value)).await
}

/// Notes that staff, or an activity, touched a customer, locked: it is not provisional any more (D-9), and nothing absorbs it.
pub(crate) async fn touch(tx: &mut TenantTx, actor: &Actor, now: Timestamp, id: CustomerId) -> Result<(), ChangeError> {
    let found = customer::find(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    if !found.stored.value.provisional {
        return Ok(());
    }
    let value = found.stored.value.clone().touched();
    let kept = StoredCustomer { stored: found.stored.changed(value), update_time: now, ..found };
    customer::update(tx, &kept).await?;
    let subject = Subject { kind: "customer", id: id.uuid(), version: kept.stored.version };
    change::record(tx, actor, "customer.touch", subject, now, Body::Customer(replica::customer(&kept))).await
}

/// Has staff vouch for a link, and so for its customer; both locked.
pub(crate) async fn confirm(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    of: StoredLink,
    note: Note,
) -> Result<Stored<LinkId, Link>, ChangeError> {
    touch(tx, actor, now, of.stored.value.customer).await?;
    let value = of.stored.value.clone().confirmed(note);
    keep(tx, actor, "link.confirm", now, of.stored.changed(value)).await
}

/// Notes that `teller` told something that came to be on a link's customer's record. The link's LINE user is locked.
pub(crate) async fn told_by(
    tx: &mut TenantTx,
    actor: &Actor,
    now: Timestamp,
    of: StoredLink,
    teller: Option<FriendId>,
) -> Result<(), ChangeError> {
    let value = of.stored.value.clone().told_by(teller);
    if value != of.stored.value {
        keep(tx, actor, "link.lower", now, of.stored.changed(value)).await?;
    }
    Ok(())
}

async fn keep(
    tx: &mut TenantTx,
    actor: &Actor,
    action: &'static str,
    now: Timestamp,
    kept: Stored<LinkId, Link>,
) -> Result<Stored<LinkId, Link>, ChangeError> {
    link::update(tx, &kept).await?;
    if let Some(end) = kept.value.end {
        metrics::counter!("tsunagi_identity_links_ended_total", "cause" => end.cause.as_str()).increment(1);
    }
    let user = friend::find(tx, kept.value.friend).await?.ok_or(sqlx::Error::RowNotFound)?;
    tell(tx, actor, action, now, &kept, &user).await?;
    Ok(kept)
}

async fn tell(
    tx: &mut TenantTx,
    actor: &Actor,
    action: &'static str,
    now: Timestamp,
    kept: &Stored<LinkId, Link>,
    user: &StoredLineUser,
) -> Result<(), ChangeError> {
    let subject = Subject { kind: "link", id: kept.id.uuid(), version: kept.version };
    let detail = json!({ "version": kept.version, "customer": kept.value.customer, "friend": kept.value.friend });
    change::note(tx, actor, action, subject, detail).await?;
    change::announce(tx, subject, now, Body::Link(replica::link(kept, &user.line_user_id))).await
}
