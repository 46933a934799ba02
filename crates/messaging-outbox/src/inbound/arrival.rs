//! Events that only add to their conversations: a message that is not there yet, or something that is about no message.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use kernel::MessageId;
use messaging_outbox_core::fold::Folded;
use messaging_outbox_core::inbound::About;

use super::follow_up::Kept;
use super::{Heard, Reception};
use crate::postgres::inbound::{self as rows, Known, Touch, Written};

impl Reception {
    /// Adds events to their chats, no two of them to the same one.
    pub(super) async fn add(
        &self,
        tx: &mut TenantTx,
        events: &[Heard<'_>],
        known: &HashMap<MessageId, Known>,
    ) -> anyhow::Result<()> {
        let fold = |about: &About| {
            let unsent = known.get(&about.message).and_then(|known| known.unsent);
            Folded { unsent, ..Folded::default() }.with(&about.fact)
        };
        let folded: Vec<Option<Folded>> = events.iter().map(|event| event.inbound.about.as_ref().map(fold)).collect();
        let mut touches = Vec::with_capacity(events.len());
        for (event, folded) in events.iter().zip(&folded) {
            touches.push(Touch {
                arrival: event.message().zip(folded.as_ref().and_then(Folded::time)),
                unread: folded.as_ref().is_some_and(Folded::can_be_unread),
                ..event.touch(&event.inbound.chat)
            });
        }
        let changed = rows::touch(tx, &touches).await?;
        let (mut written, mut contents) = (Vec::new(), Vec::new());
        for ((event, folded), (touch, changed)) in events.iter().zip(&folded).zip(touches.iter().zip(&changed)) {
            let (Some((message, time)), Some(about), Some(folded)) = (touch.arrival, &event.inbound.about, folded)
            else {
                continue;
            };
            let (account, unread, line_message) = (event.account, touch.unread, &about.line_message);
            let conversation = changed.conversation;
            written.push(Written { message, line_message, conversation, account, time, unread, folded });
            if folded.kept_by_line {
                contents.push((account, message));
            }
        }
        if !written.is_empty() {
            rows::write(tx, &written).await?;
        }
        self.fetch_contents(tx, &contents).await?;
        let kept = |(event, changed)| Kept { event, chat: &event.inbound.chat, changed };
        self.follow_up(tx, &events.iter().zip(changed).map(kept).collect::<Vec<_>>()).await
    }
}
