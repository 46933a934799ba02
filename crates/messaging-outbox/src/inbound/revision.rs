//! An event about a message that is there already, or that was taken back: folded into what is known of it.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use kernel::{MessageId, Timestamp};
use messaging_outbox_core::fold::{Fact, Folded};
use messaging_outbox_core::inbound::{About, Place};

use super::follow_up::{Kept, token_of};
use super::{Heard, Reception};
use crate::change::Changed;
use crate::postgres::inbound::{self as rows, Known, Written};
use crate::trouble;

impl Reception {
    /// Folds an event into its message, which comes to the event's chat where the rules say so.
    pub(super) async fn revise(
        &self,
        tx: &mut TenantTx,
        event: &Heard<'_>,
        about: &About,
        known: &HashMap<MessageId, Known>,
    ) -> anyhow::Result<()> {
        let known = known.get(&about.message).cloned().unwrap_or_default();
        let (chat, before) = match event.inbound.place(known.home) {
            Place::In(chat) => (chat, None),
            Place::Moved { from, to } => (to, Some(from)),
            Place::Nowhere => return Ok(self.bury(tx, about).await?),
        };
        for changed in rows::touch(tx, &[event.touch(&chat)]).await? {
            if let Some(before) = &before {
                let edit = rows::read(tx, about.message).await?.and_then(|kept| kept.folded.edited);
                let token = edit.map(|(_, event_id)| token_of(event.account, &event_id));
                let from = before.conversation(event.account);
                rows::bring(tx, about.message, token, from, changed.conversation).await?;
            }
            let changed = self.fold(tx, changed, (event, about), known.unsent).await?;
            self.follow_up(tx, &[Kept { event, chat: &chat, changed }]).await?;
        }
        Ok(())
    }

    /// Keeps in mind that a message nobody has heard of was taken back.
    async fn bury(&self, tx: &mut TenantTx, about: &About) -> Result<(), sqlx::Error> {
        if let Fact::Unsent { time } = about.fact {
            rows::bury(tx, about.message, time).await?;
            trouble::forget_parked(tx, &about.line_message).await?;
        }
        Ok(())
    }

    async fn fold(
        &self,
        tx: &mut TenantTx,
        changed: Changed,
        (event, about): (&Heard<'_>, &About),
        unsent: Option<Timestamp>,
    ) -> Result<Changed, sqlx::Error> {
        let message = about.message;
        let (before, was_unread) = match rows::read(tx, message).await? {
            Some(kept) => (kept.folded, kept.unread),
            None => (Folded { unsent, ..Folded::default() }, false),
        };
        let folded = before.clone().with(&about.fact);
        if folded == before {
            // Told again before it came itself: LINE was not asked for the bytes.
            let is_written = matches!(about.fact, Fact::Written { kept_by_line: true, .. });
            if is_written && folded.unsent.is_none() && !event.effects_off {
                self.fetch_missed(tx, event.account, message).await?;
            }
            return Ok(changed);
        }
        if let Some(unsent) = folded.unsent.filter(|_| folded.unsent != before.unsent) {
            rows::bury(tx, message, unsent).await?;
            trouble::forget_parked(tx, &about.line_message).await?;
        }
        let Some(time) = folded.time() else { return Ok(changed) };
        let unread = folded.can_be_unread() && was_unread;
        let (line_message, conversation, account) = (&about.line_message, changed.conversation, changed.account);
        rows::write(tx, &[Written { message, line_message, conversation, account, time, unread, folded: &folded }])
            .await?;
        if folded.kept_by_line && !before.kept_by_line {
            self.fetch_contents(tx, &[(account, message)], event.effects_off).await?;
        }
        let delta = i32::from(unread) - i32::from(was_unread);
        let unread_count = rows::recount(tx, conversation, delta).await?.unwrap_or(changed.unread_count);
        Ok(Changed { unread_count, message: Some(message), ..changed })
    }
}
