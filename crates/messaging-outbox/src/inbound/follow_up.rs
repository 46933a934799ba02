//! What follows from an event that was kept: its reply token, the bytes LINE keeps for it, watchers, other services.

use chassis::postgres::TenantTx;
use kernel::{AccountId, MessageId};
use messaging_outbox_core::chat::{Chat, ConversationKind};
use messaging_outbox_core::reply_window;
use uuid::Uuid;

use super::{Heard, Reception};
use crate::change::{self, Changed};
use crate::postgres::account::AccountKey;
use crate::postgres::reply_token::Fresh;
use crate::postgres::{content, group_name, reply_token};
use crate::wake::Wake;

/// What a reply token is encrypted for.
pub(crate) fn purpose(token: Uuid) -> String {
    format!("reply_token/{token}")
}

/// Our ID of the reply token that came with an event.
pub(crate) fn token_of(account: AccountId, event_id: &str) -> Uuid {
    Uuid::new_v5(&account.uuid(), event_id.as_bytes())
}

/// An event, the chat it was kept in, and that chat's conversation as it is then.
pub(super) struct Kept<'a> {
    pub(super) event: &'a Heard<'a>,
    pub(super) chat: &'a Chat,
    pub(super) changed: Changed,
}

impl Reception {
    /// Keeps reply tokens, and tells watchers and other services.
    pub(super) async fn follow_up(&self, tx: &mut TenantTx, kept: &[Kept<'_>]) -> anyhow::Result<()> {
        self.keep_tokens(tx, kept).await?;
        let changed: Vec<Changed> = kept.iter().map(|one| one.changed).collect();
        change::note(tx, &self.wakes, &changed).await?;
        let mut told = Vec::with_capacity(kept.len());
        for Kept { event, chat, changed } in kept.iter().filter(|one| !one.event.effects_off) {
            if chat.kind() == ConversationKind::Group && chat.recipient().is_some() {
                group_name::expect(tx, event.account, changed.conversation).await?;
            }
            told.push((*changed, event.occur_time, event.span.in_scope(chassis::trace::current)));
        }
        change::announce_all(tx, &told).await?;
        Ok(())
    }

    pub(super) async fn keep_tokens(&self, tx: &mut TenantTx, kept: &[Kept<'_>]) -> anyhow::Result<()> {
        let now = self.clock.now();
        let (mut tokens, mut plaintexts) = (Vec::new(), Vec::new());
        for Kept { event, changed, .. } in kept.iter().filter(|one| !one.event.effects_off) {
            let usable_until = reply_window::usable_until(event.occur_time, event.receive_time);
            let Some(token) = &event.inbound.reply_token else { continue };
            if reply_window::is_usable(usable_until, now) {
                let id = token_of(event.account, event.id);
                let (account, conversation) = (event.account, changed.conversation);
                plaintexts.push((purpose(id), token.as_bytes()));
                tokens.push(Fresh { id, account, conversation, usable_until, ciphertext: Vec::new() });
            }
        }
        if tokens.is_empty() {
            return Ok(());
        }
        for (token, ciphertext) in tokens.iter_mut().zip(self.envelope.encrypt_all(tx, &plaintexts).await?) {
            token.ciphertext = ciphertext;
        }
        for account in reply_token::keep(tx, &tokens).await? {
            let key = AccountKey { tenant: tx.tenant(), account };
            self.wakes.after(tx, Wake::Queue(key));
        }
        Ok(())
    }

    /// Has the bytes of a message fetched that count as gone, because LINE was not asked for them.
    pub(super) async fn fetch_missed(
        &self,
        tx: &mut TenantTx,
        account: AccountId,
        message: MessageId,
    ) -> Result<(), sqlx::Error> {
        if content::expect_missed(tx, account, message).await? {
            self.wakes.after(tx, Wake::Content);
        }
        Ok(())
    }

    /// Has the bytes fetched that LINE keeps for messages; with effects off LINE is not asked, and they count as gone.
    pub(super) async fn fetch_contents(
        &self,
        tx: &mut TenantTx,
        messages: &[(AccountId, MessageId)],
        effects_off: bool,
    ) -> Result<(), sqlx::Error> {
        if messages.is_empty() {
            return Ok(());
        }
        if effects_off {
            return content::miss(tx, messages).await;
        }
        content::expect(tx, messages).await?;
        self.wakes.after(tx, Wake::Content);
        Ok(())
    }
}
