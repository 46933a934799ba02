//! LINE's events become conversations and messages: one transaction with the inbox rows, the changes and their events.
//!
//! Most events only add to a conversation, and those of a tenant are added together (`arrival`); those about a message that is
//! there already, or that was taken back, are folded into it one by one (`revision`).

mod arrival;
mod follow_up;
mod revision;
mod staff;

use std::collections::HashMap;
use std::sync::Arc;

use bus::{Handled, Handler, Incoming, Trouble};
use chassis::envelope::Envelope;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::LineWebhookEvent;
use kernel::{AccountId, Clock, MessageId, Timestamp};
use line_types::webhook::Event;
use messaging_outbox_core::chat::Chat;
use messaging_outbox_core::inbound::{self, Inbound};
use tracing::Span;
use uuid::Uuid;

use crate::postgres::account;
use crate::postgres::inbound::{self as rows, Touch};
use crate::trouble;
use crate::wake::Wakes;

pub(crate) use follow_up::{purpose, token_of};

/// Handles `line.webhook.v1` events.
pub(crate) struct Reception {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) wakes: Wakes,
}

impl Handler for Reception {
    type Body = LineWebhookEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<LineWebhookEvent>) -> Result<Handled, Trouble> {
        match Heard::of(&event.body, Span::current()) {
            Ok(heard) => self.take(tx, heard.into_iter().collect()).await,
            Err(reason) => Ok(Handled::Never(reason)),
        }
    }

    async fn handle_all(&self, tx: &mut TenantTx, events: &[&Incoming<LineWebhookEvent>]) -> Result<Handled, Trouble> {
        let mut heard = Vec::with_capacity(events.len());
        for event in events {
            match Heard::of(&event.body, event.span()) {
                Ok(one) => heard.extend(one),
                Err(reason) => return Ok(Handled::Never(reason)),
            }
        }
        self.take(tx, heard).await
    }

    /// A late copy of a message that was taken back says its text still.
    async fn must_forget(&self, tx: &mut TenantTx, event: &Incoming<LineWebhookEvent>) -> Result<bool, sqlx::Error> {
        let Ok(account) = event.body.account_id.parse::<AccountId>() else { return Ok(false) };
        let Some(line_message) = trouble::says(&event.body) else { return Ok(false) };
        let message = inbound::message_id(account, &line_message);
        rows::lock(tx, &[message]).await?;
        rows::is_buried(tx, message).await
    }
}

/// LINE's event, where it can be read.
pub(crate) fn line_event(event: &LineWebhookEvent) -> Option<Event> {
    Event::parse(std::str::from_utf8(&event.raw).ok()?).ok()
}

/// An event that belongs to a conversation.
struct Heard<'a> {
    account: AccountId,
    id: &'a str,
    occur_time: Timestamp,
    receive_time: Timestamp,
    effects_off: bool,
    inbound: Inbound,
    /// In the event's own trace.
    span: Span,
}

impl<'a> Heard<'a> {
    /// Reads an event; none where it belongs to no conversation.
    fn of(body: &'a LineWebhookEvent, span: Span) -> Result<Option<Self>, &'static str> {
        let account = body.account_id.parse::<AccountId>().map_err(|_| "no account ID")?;
        let occur_time = body.occur_time.as_ref().and_then(contracts::to_timestamp).ok_or("no time")?;
        let receive_time = body.receive_time.as_ref().and_then(contracts::to_timestamp).unwrap_or(occur_time);
        let parsed = line_event(body).ok_or("not an event")?;
        let (id, effects_off) = (body.webhook_event_id.as_str(), body.effects_off);
        let inbound = inbound::read(account, id, occur_time, &parsed);
        Ok(inbound.map(|inbound| Self { account, id, occur_time, receive_time, effects_off, inbound, span }))
    }

    fn message(&self) -> Option<MessageId> {
        self.inbound.about.as_ref().map(|about| about.message)
    }

    /// Something happened in `chat`; that a message came with it is not said.
    fn touch<'b>(&self, chat: &'b Chat) -> Touch<'b> {
        let (standby, occur_time) = (Some(self.inbound.standby), self.occur_time);
        Touch { account: self.account, chat, standby, occur_time, arrival: None, unread: false }
    }
}

impl Reception {
    async fn take(&self, tx: &mut TenantTx, heard: Vec<Heard<'_>>) -> Result<Handled, Trouble> {
        failpoint::reached("messaging.before_inbound");
        let accounts: Vec<Uuid> = heard.iter().map(|event| event.account.uuid()).collect();
        let for_staff = account::for_staff(tx, &accounts).await?;
        let (of_staff, heard): (Vec<_>, Vec<_>) =
            heard.into_iter().partition(|event| for_staff.contains(&event.account));
        // Conversations with staff behind all others: whoever tells staff of a conversation has that one's row first.
        self.keep(tx, &heard).await.map_err(trouble::of)?;
        self.keep_of_staff(tx, &of_staff).await.map_err(trouble::of)?;
        failpoint::reached("messaging.after_inbound");
        Ok(Handled::Done)
    }

    /// Keeps events in their order: arrivals together as far as they can be, the others one by one.
    async fn keep(&self, tx: &mut TenantTx, heard: &[Heard<'_>]) -> anyhow::Result<()> {
        let messages: Vec<MessageId> = heard.iter().filter_map(Heard::message).collect();
        if !messages.is_empty() {
            rows::lock(tx, &messages).await?;
        }
        let mut rest = heard;
        while let Some(first) = rest.first() {
            let messages: Vec<MessageId> = rest.iter().filter_map(Heard::message).collect();
            let known = if messages.is_empty() { HashMap::new() } else { rows::know(tx, &messages).await? };
            let is_held = |message| known.get(&message).is_some_and(|known| known.home.is_some());
            let count = inbound::at_once(rest.iter().map(|event| (event.account, &event.inbound)), is_held);
            let (now, later) = rest.split_at(count.max(1));
            match (count, &first.inbound.about) {
                (0, Some(about)) => self.revise(tx, first, about, &known).await?,
                _ => self.add(tx, now, &known).await?,
            }
            rest = later;
        }
        Ok(())
    }
}

/// Events of one sender are handled one after another; those LINE names nobody in, by account.
pub(crate) fn order(event: &Incoming<LineWebhookEvent>) -> u64 {
    let source = serde_json::from_slice::<SourceOnly>(&event.body.raw).ok().map(|event| event.source);
    let mut key = event.body.account_id.clone();
    if let Some(source) = source {
        for part in [source.group_id, source.room_id, source.user_id].into_iter().flatten().take(1) {
            key.push_str(&part);
        }
    }
    let id = Uuid::new_v5(&Uuid::nil(), key.as_bytes());
    id.as_u64_pair().0
}

#[derive(serde::Deserialize)]
struct SourceOnly {
    source: Source,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "LINE's own names")]
struct Source {
    user_id: Option<String>,
    group_id: Option<String>,
    room_id: Option<String>,
}
