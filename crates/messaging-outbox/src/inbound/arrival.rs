//! Events that only add to their conversations: a message that is not there yet, or something that is about no message.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use kernel::{ConversationId, MessageId, Timestamp};
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
        let read = read_long_ago(tx, events, &folded).await?;
        let mut touches = Vec::with_capacity(events.len());
        for ((event, folded), read) in events.iter().zip(&folded).zip(read) {
            touches.push(Touch {
                arrival: event.message().zip(folded.as_ref().and_then(Folded::time)),
                unread: folded.as_ref().is_some_and(Folded::can_be_unread) && !read,
                ..event.touch(&event.inbound.chat)
            });
        }
        let changed = rows::touch(tx, &touches).await?;
        let (mut written, mut contents, mut missed) = (Vec::new(), Vec::new(), Vec::new());
        for ((event, folded), (touch, changed)) in events.iter().zip(&folded).zip(touches.iter().zip(&changed)) {
            let (Some((message, time)), Some(about), Some(folded)) = (touch.arrival, &event.inbound.about, folded)
            else {
                continue;
            };
            let (account, unread, line_message) = (event.account, touch.unread, &about.line_message);
            let conversation = changed.conversation;
            written.push(Written { message, line_message, conversation, account, time, unread, folded });
            if folded.kept_by_line {
                let of = if event.effects_off { &mut missed } else { &mut contents };
                of.push((account, message));
            }
        }
        if !written.is_empty() {
            rows::write(tx, &written).await?;
        }
        self.fetch_contents(tx, &contents, false).await?;
        self.fetch_contents(tx, &missed, true).await?;
        let kept = |(event, changed)| Kept { event, chat: &event.inbound.chat, changed };
        self.follow_up(tx, &events.iter().zip(changed).map(kept).collect::<Vec<_>>()).await
    }
}

/// Which of these messages come back from the past, told again, and stand before something that staff have read or answered in their
/// conversation: they have read these as well.
async fn read_long_ago(
    tx: &mut TenantTx,
    events: &[Heard<'_>],
    folded: &[Option<Folded>],
) -> Result<Vec<bool>, sqlx::Error> {
    let mut read = vec![false; events.len()];
    let told_again = events.iter().zip(folded).enumerate().filter(|(_, (event, _))| event.effects_off);
    let back: Vec<(usize, ConversationId, Timestamp)> = told_again
        .filter_map(|(place, (event, folded))| {
            Some((place, event.inbound.chat.conversation(event.account), folded.as_ref()?.time()?))
        })
        .collect();
    if back.is_empty() {
        return Ok(read);
    }
    let moments: Vec<_> = back.iter().map(|(_, conversation, time)| (*conversation, *time)).collect();
    for ((place, ..), is_read) in back.iter().zip(rows::are_read(tx, &moments).await?) {
        read[*place] = is_read;
    }
    Ok(read)
}
