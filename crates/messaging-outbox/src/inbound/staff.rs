//! What staff do on the staff account. What they write is not kept, and no conversation is shown; only a reply token is, so that
//! whoever answers them does so for free.

use chassis::postgres::TenantTx;

use super::follow_up::Kept;
use super::{Heard, Reception};
use crate::postgres::inbound as rows;

impl Reception {
    /// Keeps the reply tokens of events that came to staff accounts.
    pub(super) async fn keep_of_staff(&self, tx: &mut TenantTx, heard: &[Heard<'_>]) -> anyhow::Result<()> {
        for event in heard {
            let Some(chat) = event.inbound.chat.of_staff() else { continue };
            for changed in rows::touch(tx, &[event.touch(&chat)]).await? {
                self.keep_tokens(tx, &[Kept { event, chat: &chat, changed }]).await?;
            }
        }
        Ok(())
    }
}
