//! LINE's webhook events, as far as they tell who is there. Nothing else follows from them here: a friend-add makes no customer
//! (F-01, F-03), and an account that LINE has not confirmed yet keeps its friendships and nothing more (F-04).

use std::time::Duration;

use bus::consumer::{Handled, Handler, Incoming, Trouble, key};
use chassis::postgres::TenantTx;
use contracts::events::v1::LineWebhookEvent;
use contracts::events::v1::identity_event::Body;
use contracts::to_timestamp;
use identity_linking_core::friendship::{Friendship, Seen, Sign, sign_of};
use kernel::{AccountId, ProviderId, Timestamp};
use line_types::id::UserId;
use line_types::webhook::Event;

use crate::change::{self, ChangeError, Subject};
use crate::postgres::friendship::{self, StoredFriendship};
use crate::postgres::{friend, profile_request};
use crate::registry::Registry;
use crate::replica;

/// How long the database is given when it is away.
const WAIT: Duration = Duration::from_millis(100);

/// Keeps friendships.
pub(crate) struct Friendships(pub(crate) Registry);

impl Handler for Friendships {
    type Body = LineWebhookEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<LineWebhookEvent>) -> Result<Handled, Trouble> {
        let Ok(account) = event.body.account_id.parse::<AccountId>() else {
            return Ok(Handled::Never("no account ID"));
        };
        let Some(at) = event.body.occur_time.as_ref().and_then(to_timestamp) else {
            return Ok(Handled::Never("no time"));
        };
        let Some(line_event) = std::str::from_utf8(&event.body.raw).ok().and_then(|raw| Event::parse(raw).ok()) else {
            return Ok(Handled::Never("not a webhook event"));
        };
        let Some((user, sign)) = sign_of(&line_event) else { return Ok(Handled::Done) };
        let seen = Seen { sign, at, event_id: event.body.webhook_event_id.clone() };
        self.see(tx, account, user, &seen).await.map_err(trouble)
    }
}

/// Events of one user and account are handled one after the other, so that replicas seldom wait for each other's rows. The
/// outcome does not depend on it.
pub(crate) fn order(event: &Incoming<LineWebhookEvent>) -> u64 {
    let parsed = std::str::from_utf8(&event.body.raw).ok().and_then(|raw| Event::parse(raw).ok());
    let user = parsed.as_ref().and_then(sign_of).map_or("", |(user, _)| user.as_str());
    key(&format!("{}/{user}", event.body.account_id))
}

fn trouble(error: ChangeError) -> Trouble {
    if error.is_unavailable() { Trouble::unavailable(WAIT, error) } else { Trouble::failed(error) }
}

impl Friendships {
    /// Keeps what an event tells of a user.
    async fn see(
        &self,
        tx: &mut TenantTx,
        account: AccountId,
        user: &UserId,
        seen: &Seen,
    ) -> Result<Handled, ChangeError> {
        let Some(look) = friendship::look(tx, account, user).await? else {
            return Ok(Handled::Never("no such account"));
        };
        // The usual case, a friend who writes again: nothing changes, and nothing is locked.
        if look.friendship.is_some_and(|known| known.value.clone().fold(seen) == known.value) {
            return Ok(Handled::Done);
        }
        let now = self.0.now();
        let id = friend::id_of(look.provider, user);
        let is_new = self.know(tx, look.provider, user, now).await?;
        let first = StoredFriendship { version: 1, value: Friendship::begin(seen) };
        let (kept, turned) = if friendship::insert_if_new(tx, account, id, &first).await? {
            let turned = first.value.turn.is_some();
            (Some(first), turned)
        } else {
            let known = friendship::lock(tx, account, id).await?;
            let known = known.ok_or(sqlx::Error::RowNotFound)?;
            let value = known.value.clone().fold(seen);
            let turned = value.turn != known.value.turn;
            let heard = (value.state(), value.since()) != (known.value.state(), known.value.since());
            let kept = StoredFriendship { version: known.version + i64::from(heard), value };
            friendship::update(tx, account, id, &kept).await?;
            (heard.then_some(kept), turned)
        };
        if let Some(kept) = kept {
            metrics::counter!("tsunagi_identity_friendships_total", "state" => kept.value.state().as_str())
                .increment(1);
            let subject =
                Subject { kind: "friendship", id: replica::friendship_id(account, id), version: kept.version };
            let body = Body::Friendship(replica::friendship(account, user.as_str(), &kept));
            change::announce(tx, subject, now, body).await?;
        }
        // Names can be read from the first sight on, and are read anew when somebody comes back.
        if is_new || (turned && seen.sign == Sign::Follow) {
            profile_request::put(tx, id, account).await?;
        }
        Ok(Handled::Done)
    }

    /// Keeps a LINE user who was not known, and tells the others; whether that was so.
    async fn know(
        &self,
        tx: &mut TenantTx,
        provider: ProviderId,
        user: &UserId,
        now: Timestamp,
    ) -> Result<bool, ChangeError> {
        let is_new = friend::insert_if_new(tx, provider, user, now).await?;
        if is_new {
            let known = friend::StoredLineUser {
                id: friend::id_of(provider, user),
                version: 1,
                provider,
                line_user_id: user.clone(),
                profile: friend::ShownProfile::default(),
            };
            let subject = Subject { kind: "line_user", id: known.id.uuid(), version: 1 };
            change::announce(tx, subject, now, Body::LineUser(replica::line_user(&known))).await?;
        }
        Ok(is_new)
    }
}
