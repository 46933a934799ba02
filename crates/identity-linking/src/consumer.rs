//! LINE's webhook events, as far as they tell who is there and what they ask of linking. A friend-add makes no customer (F-01,
//! F-03), and an account that LINE has not confirmed yet keeps its friendships and nothing more (F-04).

use std::sync::Arc;
use std::time::Duration;

use bus::consumer::{Handled, Handler, Incoming, Trouble, key};
use chassis::postgres::TenantTx;
use contracts::events::v1::LineWebhookEvent;
use contracts::events::v1::identity_event::Body;
use contracts::to_timestamp;
use identity_linking_core::account::{AccountPurpose, AccountState};
use identity_linking_core::friendship::{Friendship, Renewal, Seen, Sign, Turn, bare, sign_of};
use identity_linking_core::link::{Act, Wishes, act_of};
use identity_linking_core::provider::Declared;
use identity_linking_core::staff::{NoticeKind, is_news};
use kernel::{AccountId, ProviderId, Timestamp};
use line_types::id::UserId;
use line_types::webhook::{Event, Mode};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::change::{self, ChangeError, Subject};
use crate::linking::Desk;
use crate::linking::acts::{self, Done};
use crate::postgres::friendship::{self, StoredFriendship};
use crate::postgres::{account, friend, profile_request};
use crate::staff_notice::{self, Matter};
use crate::staffing::visitor::{self, Visit};
use crate::{provider_evidence, replica};

/// What this consumer is called.
pub(crate) const CONSUMER: &str = "identity_line_webhook";
/// How long the database is given when it is away.
const WAIT: Duration = Duration::from_millis(100);

/// Keeps friendships, and does what LINE users ask of linking.
pub(crate) struct Reception(pub(crate) Arc<Desk>);

/// What settles something locks customers and LINE users: together with others it would lock theirs, too, in no order.
#[derive(Debug, thiserror::Error)]
#[error("an event that settles something is handled alone")]
struct Alone;

/// What an event of an account tells.
struct Report {
    account: AccountId,
    /// Who did it; nobody where LINE does not say.
    user: Option<UserId>,
    seen: Seen,
    /// What follows for linking.
    act: Option<Act>,
    /// Another module channel holds the chat (`standby`).
    standby: bool,
    effects_off: bool,
}

impl Report {
    /// Reads an event; none where it tells of nobody and nothing.
    fn of(event: &LineWebhookEvent) -> Result<Option<Self>, &'static str> {
        let account = event.account_id.parse().map_err(|_| "no account ID")?;
        let at = event.occur_time.as_ref().and_then(to_timestamp).ok_or("no time")?;
        let line_event = line_event(event).ok_or("not a webhook event")?;
        let signed = sign_of(&line_event);
        let act = act_of(&line_event);
        if signed.is_none() && act.is_none() {
            return Ok(None);
        }
        // Whoever LINE does not name tells nothing of a friendship, whatever the sign.
        let sign = signed.map_or(Sign::Contact, |(_, sign)| sign);
        let user = signed.map(|(user, _)| user.clone());
        Ok(Some(Self {
            account,
            user,
            act,
            standby: line_event.mode != Mode::Active,
            effects_off: event.effects_off,
            seen: Seen { sign, at, event_id: event.webhook_event_id.clone() },
        }))
    }

    /// Its place among the events of one transaction: in one order everywhere, so that two replicas that hear of the same users do
    /// not lock each other out.
    fn place(&self) -> (Option<&str>, AccountId, Timestamp) {
        (self.user.as_ref().map(UserId::as_str), self.account, self.seen.at)
    }
}

impl Handler for Reception {
    type Body = LineWebhookEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<LineWebhookEvent>) -> Result<Handled, Trouble> {
        match Report::of(&event.body) {
            Ok(Some(report)) => self.take(tx, &[(report, Span::current())]).await.map_err(trouble),
            Ok(None) => Ok(Handled::Done),
            Err(reason) => Ok(Handled::Never(reason)),
        }
    }

    async fn handle_all(&self, tx: &mut TenantTx, events: &[&Incoming<LineWebhookEvent>]) -> Result<Handled, Trouble> {
        let mut reports = Vec::with_capacity(events.len());
        for event in events {
            match Report::of(&event.body) {
                Ok(report) => reports.extend(report.map(|report| (report, event.span()))),
                Err(reason) => return Ok(Handled::Never(reason)),
            }
        }
        if reports.iter().any(|(report, _)| report.act.as_ref().is_some_and(Act::settles)) {
            return Err(Trouble::failed(Alone));
        }
        reports.sort_by(|(a, _), (b, _)| a.place().cmp(&b.place()));
        self.take(tx, &reports).await.map_err(trouble)
    }

    /// Who did what: what friends write is messaging's to keep, and to forget when it is unsent.
    fn reduced(&self, event: &Incoming<LineWebhookEvent>) -> Option<LineWebhookEvent> {
        let raw = line_event(&event.body).as_ref().map(bare).unwrap_or_default();
        Some(LineWebhookEvent { raw: raw.into_bytes().into(), ..event.body.clone() })
    }
}

/// Events of one user and account are handled one after the other, so that replicas seldom wait for each other's rows. The
/// outcome does not depend on it.
pub(crate) fn order(event: &Incoming<LineWebhookEvent>) -> u64 {
    let line_event = line_event(&event.body);
    let user = line_event.as_ref().and_then(sign_of).map_or("", |(user, _)| user.as_str());
    key(&format!("{}/{user}", event.body.account_id))
}

fn line_event(event: &LineWebhookEvent) -> Option<Event> {
    Event::parse(std::str::from_utf8(&event.raw).ok()?).ok()
}

fn trouble(error: ChangeError) -> Trouble {
    if error.is_unavailable() { Trouble::unavailable(WAIT, error) } else { Trouble::failed(error) }
}

impl Reception {
    /// Keeps what events tell of users, and does what follows, each in its span.
    async fn take(&self, tx: &mut TenantTx, reports: &[(Report, Span)]) -> Result<Handled, ChangeError> {
        let named: Vec<_> = reports.iter().filter_map(|(one, _)| Some((one.account, one.user.as_ref()?))).collect();
        let mut looks = friendship::look(tx, &named).await?.into_iter();
        let mut heard = Vec::new();
        for (report, span) in reports {
            let Some(user) = &report.user else {
                if let Some(act) = &report.act {
                    acts::unnamed(&self.0, tx, report.account, report.seen.at, act).instrument(span.clone()).await?;
                }
                continue;
            };
            let Some(look) = looks.next().flatten() else { return Ok(Handled::Never("no such account")) };
            if look.purpose.is_for_staff() {
                self.receive(tx, (look.provider, look.purpose), report, user).instrument(span.clone()).await?;
                continue;
            }
            // The usual case, a friend who writes again: nothing changes, and nothing is locked.
            let known = look.friendship.as_ref();
            if known.is_none_or(|known| known.is_changed_by(&report.seen, report.effects_off)) {
                let by = Declared { account: report.account, provider: look.provider };
                let is_first = self.keep(tx, by, report, user).instrument(span.clone()).await?;
                heard.extend(is_first.then_some((by, user)));
            }
            if let Some(act) = &report.act {
                let (event_id, occur_time) = (report.seen.event_id.as_str(), report.seen.at);
                let (account, provider, settled) = (report.account, look.provider, look.settled);
                let effects_off = report.effects_off;
                let done = Done { account, provider, event_id, occur_time, settled, effects_off, act };
                acts::take(&self.0, tx, done).instrument(span.clone()).await?;
            }
        }
        provider_evidence::gather(tx, &heard, self.0.registry.now()).await?;
        Ok(Handled::Done)
    }

    /// Does what follows from an event of the staff account, of that provider and purpose.
    async fn receive(
        &self,
        tx: &mut TenantTx,
        (provider, purpose): (ProviderId, AccountPurpose),
        report: &Report,
        user: &UserId,
    ) -> Result<(), ChangeError> {
        let visit = Visit {
            account: report.account,
            provider,
            user,
            seen: &report.seen,
            act: report.act.as_ref(),
            silent: report.standby || report.effects_off,
        };
        let is_new = visitor::receive(&self.0, tx, self.0.registry.now(), visit).await?;
        if is_new { self.stay(tx, report.account, purpose).await } else { Ok(()) }
    }

    /// Checks, once something that belongs to an account was kept and its purpose cannot change any more, that it is still the one
    /// this was decided by.
    async fn stay(&self, tx: &mut TenantTx, account: AccountId, purpose: AccountPurpose) -> Result<(), ChangeError> {
        let is_same = account::purpose(tx, account).await? == Some(purpose);
        if is_same { Ok(()) } else { Err(ChangeError::Repurposed) }
    }

    /// Keeps what an event tells of a user; whether the account hears of that user for the first time.
    async fn keep(&self, tx: &mut TenantTx, by: Declared, report: &Report, user: &UserId) -> Result<bool, ChangeError> {
        let (Declared { account, provider }, seen) = (by, &report.seen);
        let now = self.0.registry.now();
        let id = friend::id_of(provider, user);
        let is_new = self.know(tx, provider, user, now).await?;
        let first =
            StoredFriendship { version: 1, value: Friendship::begin(seen), anew: None, silent: report.effects_off };
        let is_first = friendship::insert_if_new(tx, account, id, &first).await?;
        if is_first {
            self.stay(tx, account, AccountPurpose::Customers).await?;
        }
        let (kept, turned, is_woken, before) = if is_first {
            let turned = first.value.turn.is_some();
            (Some(first), turned, false, None)
        } else {
            let known = friendship::lock(tx, account, id).await?;
            let known = known.ok_or(sqlx::Error::RowNotFound)?;
            let Renewal { kept: value, anew } = known.after(seen, report.effects_off);
            // A copy of a rebuild may have come before the event itself: what the copy told follows from the event.
            let is_woken = known.silent && !report.effects_off;
            let is_told = |turn: &Turn| is_woken && turn.event_id == seen.event_id;
            let turned = value.turn != known.value.turn || value.turn.as_ref().is_some_and(is_told);
            let heard = (value.state(), value.since()) != (known.value.state(), known.value.since());
            let version = known.version + i64::from(heard);
            let kept = StoredFriendship { version, value, anew, silent: known.silent && !is_woken };
            friendship::update(tx, account, id, &kept).await?;
            (heard.then_some(kept), turned, is_woken, known.value.turn.filter(|turn| !is_told(turn)))
        };
        if let Some(kept) = kept {
            metrics::counter!("tsunagi_identity_friendships_total", "state" => kept.value.state().as_str())
                .increment(1);
            let subject =
                Subject { kind: "friendship", id: replica::friendship_id(account, id), version: kept.version };
            let body = Body::Friendship(replica::friendship(account, user.as_str(), &kept));
            change::announce(tx, subject, now, body).await?;
        }
        if turned && seen.sign == Sign::Follow && is_news(before.as_ref(), seen.at) && !report.effects_off {
            self.tell_staff(tx, account, id.uuid(), user, seen).await?;
        }
        // Names can be read from the first sight on, and are read anew when somebody comes back. With effects off LINE is not asked.
        if !report.effects_off && (is_new || is_woken || (turned && seen.sign == Sign::Follow)) {
            profile_request::put(tx, id, account).await?;
        }
        Ok(is_first)
    }

    /// Has staff hear that somebody added an account, or came back (F-70): once, and not before LINE confirmed the account (F-04).
    async fn tell_staff(
        &self,
        tx: &mut TenantTx,
        id: AccountId,
        subject: Uuid,
        user: &UserId,
        seen: &Seen,
    ) -> Result<(), ChangeError> {
        let account = account::find(tx, id).await?.ok_or(sqlx::Error::RowNotFound)?.stored.value;
        if account.state != AccountState::Connected {
            return Ok(());
        }
        let occasion = format!("{id}/{}", seen.event_id);
        let matter = Matter {
            kind: NoticeKind::FriendAdded,
            subject,
            occasion: &occasion,
            account: id,
            user: Some(user),
            occur_time: seen.at,
        };
        staff_notice::ask_of(tx, self.0.registry.now(), matter, &account, None).await
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
                wishes: Wishes::default(),
            };
            let subject = Subject { kind: "line_user", id: known.id.uuid(), version: 1 };
            change::announce(tx, subject, now, Body::LineUser(replica::line_user(&known))).await?;
        }
        Ok(is_new)
    }
}
