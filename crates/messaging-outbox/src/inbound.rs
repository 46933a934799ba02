//! LINE's events become conversations and messages: one transaction each, with the inbox row, the change and its event.

use std::sync::Arc;

use bus::{Handled, Handler, Incoming, Trouble};
use chassis::envelope::Envelope;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::LineWebhookEvent;
use kernel::{AccountId, Clock, Timestamp};
use line_types::webhook::Event;
use messaging_outbox_core::chat::ConversationKind;
use messaging_outbox_core::fold::Fact;
use messaging_outbox_core::inbound::{self, About, Inbound, Place};
use messaging_outbox_core::reply_window;
use uuid::Uuid;

use crate::change::{self, Changed};
use crate::postgres::account::AccountKey;
use crate::postgres::{content, group_name, inbound as rows, reply_token};
use crate::trouble;
use crate::wake::{Wake, Wakes};

/// What a reply token is encrypted for.
pub(crate) fn purpose(token: Uuid) -> String {
    format!("reply_token/{token}")
}

/// Handles `line.webhook.v1` events.
pub(crate) struct Reception {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) wakes: Wakes,
}

impl Handler for Reception {
    type Body = LineWebhookEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<LineWebhookEvent>) -> Result<Handled, Trouble> {
        failpoint::reached("messaging.before_inbound");
        let body = &event.body;
        let Ok(account) = body.account_id.parse::<AccountId>() else { return Ok(Handled::Never("no account ID")) };
        let Some(occur_time) = body.occur_time.as_ref().and_then(contracts::to_timestamp) else {
            return Ok(Handled::Never("no time"));
        };
        let receive_time = body.receive_time.as_ref().and_then(contracts::to_timestamp).unwrap_or(occur_time);
        let Some(parsed) = std::str::from_utf8(&body.raw).ok().and_then(|raw| Event::parse(raw).ok()) else {
            return Ok(Handled::Never("not an event"));
        };
        let Some(inbound) = inbound::read(account, &body.webhook_event_id, occur_time, &parsed) else {
            return Ok(Handled::Done);
        };
        let event =
            Heard { account, id: &body.webhook_event_id, occur_time, receive_time, effects_off: body.effects_off };
        self.take(tx, &event, &inbound).await.map_err(trouble::of)?;
        failpoint::reached("messaging.after_inbound");
        Ok(Handled::Done)
    }

    /// A late copy of a message that was taken back says its text still.
    async fn must_forget(&self, tx: &mut TenantTx, event: &Incoming<LineWebhookEvent>) -> Result<bool, sqlx::Error> {
        let Ok(account) = event.body.account_id.parse::<AccountId>() else { return Ok(false) };
        let Some(line_message) = trouble::says(&event.body) else { return Ok(false) };
        let message = inbound::message_id(account, &line_message);
        rows::lock(tx, message).await?;
        rows::is_buried(tx, message).await
    }
}

struct Heard<'a> {
    account: AccountId,
    id: &'a str,
    occur_time: Timestamp,
    receive_time: Timestamp,
    effects_off: bool,
}

impl Reception {
    async fn take(&self, tx: &mut TenantTx, event: &Heard<'_>, inbound: &Inbound) -> anyhow::Result<()> {
        let home = match &inbound.about {
            Some(about) => {
                rows::lock(tx, about.message).await?;
                rows::home(tx, about.message).await?
            }
            None => None,
        };
        let (chat, before) = match inbound.place(home) {
            Place::In(chat) => (chat, None),
            Place::Moved { from, to } => (to, Some(from)),
            Place::Nowhere => return Ok(self.bury(tx, inbound).await?),
        };
        let mut changed = rows::touch(tx, event.account, &chat, inbound.standby, event.occur_time).await?;
        if let (Some(before), Some(about)) = (before, &inbound.about) {
            rows::bring(tx, about.message, before.conversation(event.account), changed.conversation).await?;
        }
        if let Some(about) = &inbound.about {
            changed = self.fold(tx, &changed, about).await?;
        }
        if let Some(token) = inbound.reply_token.as_deref().filter(|_| !event.effects_off) {
            self.keep_token(tx, event, &changed, token).await?;
        }
        change::note(tx, &self.wakes, &[changed]).await?;
        if !event.effects_off {
            if chat.kind() == ConversationKind::Group && chat.recipient().is_some() {
                group_name::expect(tx, event.account, changed.conversation).await?;
            }
            change::announce(tx, &changed, event.occur_time).await?;
        }
        Ok(())
    }

    /// Keeps in mind that a message nobody has heard of was taken back.
    async fn bury(&self, tx: &mut TenantTx, inbound: &Inbound) -> Result<(), sqlx::Error> {
        if let Some(About { message, line_message, fact: Fact::Unsent { time } }) = &inbound.about {
            rows::bury(tx, *message, *time).await?;
            trouble::forget_parked(tx, line_message).await?;
        }
        Ok(())
    }

    async fn fold(&self, tx: &mut TenantTx, changed: &Changed, about: &About) -> Result<Changed, sqlx::Error> {
        let kept = rows::read(tx, about.message).await?;
        let folded = kept.folded.clone().with(&about.fact);
        if folded == kept.folded {
            return Ok(*changed);
        }
        if let Some(unsent) = folded.unsent.filter(|_| folded.unsent != kept.folded.unsent) {
            rows::bury(tx, about.message, unsent).await?;
            trouble::forget_parked(tx, &about.line_message).await?;
        }
        let changed = rows::write(tx, changed, about.message, about.line_message.as_str(), &kept, &folded).await?;
        if folded.kept_by_line && !kept.folded.kept_by_line {
            content::expect(tx, changed.account, about.message).await?;
            self.wakes.after(tx, Wake::Content);
        }
        Ok(changed)
    }

    async fn keep_token(
        &self,
        tx: &mut TenantTx,
        event: &Heard<'_>,
        changed: &Changed,
        token: &str,
    ) -> anyhow::Result<()> {
        let until = reply_window::usable_until(event.occur_time, event.receive_time);
        if !reply_window::is_usable(until, self.clock.now()) {
            return Ok(());
        }
        let id = Uuid::new_v5(&event.account.uuid(), event.id.as_bytes());
        let ciphertext = self.envelope.encrypt(tx, &purpose(id), token.as_bytes()).await?;
        let put_back = reply_token::keep(tx, event.account, changed.conversation, id, until, &ciphertext).await?;
        if put_back > 0 {
            let key = AccountKey { tenant: tx.tenant(), account: event.account };
            self.wakes.after(tx, Wake::Queue(key));
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
