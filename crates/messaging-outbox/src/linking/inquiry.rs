//! An inquiry: one inbound message, unread, without a reply token, whatever becomes of the link (F-11).

use bus::Trouble;
use chassis::postgres::TenantTx;
use contracts::events::v1::{InquiryReplica, InquiryState};
use kernel::{AccountId, InquiryId, MessageId, Timestamp};
use messaging_outbox_core::chat::Chat;
use messaging_outbox_core::inquiry::{self as rule, Heard, Inquiry};
use serde_json::Value;

use super::{Linking, place};
use crate::change::{self, Changed};
use crate::postgres::inbound::{self, Touch};
use crate::postgres::inquiry as rows;

/// An inquiry as one of its versions says it, and where it belongs.
pub(super) struct Submission {
    message: MessageId,
    account: AccountId,
    chat: Chat,
    time: Timestamp,
    inquiry: Inquiry,
}

impl Submission {
    pub(super) fn of(said: &InquiryReplica) -> Result<Self, &'static str> {
        let id: InquiryId = said.inquiry_id.parse().map_err(|_| "no inquiry ID")?;
        let (account, chat) = place(&said.account_id, &said.line_user_id)?;
        let time = said.submit_time.as_ref().and_then(contracts::to_timestamp).ok_or("no time")?;
        let state = InquiryState::try_from(said.state).map_err(|_| "no state of an inquiry")?;
        let (version, name, text) = (said.version, said.name.clone(), said.text.clone());
        let inquiry = Inquiry { version, name, text, state: state.into() };
        Ok(Self { message: rule::message_id(id), account, chat, time, inquiry })
    }
}

impl Linking {
    /// Keeps an inquiry, or what a later version says of it.
    pub(super) async fn keep(&self, tx: &mut TenantTx, said: &Submission) -> Result<(), Trouble> {
        // There or not: two versions at once must see each other. Comes before the conversation's row.
        inbound::lock(tx, &[said.message]).await?;
        let known = rows::read(tx, said.message).await?;
        let changed = match said.inquiry.heard(known.as_ref().map(Option::as_ref)) {
            Heard::New(object) => self.write(tx, said, &object).await?,
            Heard::Changed(object) => {
                let changed = touch(tx, said, false).await?;
                rows::change(tx, said.message, &object).await?;
                changed
            }
            Heard::Same => return Ok(()),
        };
        let changed = changed.map(|changed| Changed { message: Some(said.message), ..changed });
        change::note(tx, &self.wakes, changed.as_slice()).await?;
        let now = self.clock.now();
        let told = changed.map(|changed| (changed, now, chassis::trace::current()));
        Ok(change::announce_all(tx, told.as_slice()).await?)
    }

    async fn write(
        &self,
        tx: &mut TenantTx,
        said: &Submission,
        object: &Value,
    ) -> Result<Option<Changed>, sqlx::Error> {
        let changed = touch(tx, said, true).await?;
        let conversation = said.chat.conversation(said.account);
        rows::write(tx, said.message, conversation, said.account, said.time, object).await?;
        Ok(changed)
    }
}

/// Touches the conversation; `arrives`: the inquiry is new in it, and unread.
async fn touch(tx: &mut TenantTx, said: &Submission, arrives: bool) -> Result<Option<Changed>, sqlx::Error> {
    let touch = Touch {
        account: said.account,
        chat: &said.chat,
        standby: None,
        occur_time: said.time,
        arrival: arrives.then_some((said.message, said.time)),
        unread: arrives,
    };
    Ok(inbound::touch(tx, &[touch]).await?.pop())
}
