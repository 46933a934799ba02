//! An answer: 1 to 5 message objects that are queued together, said by nobody of the staff.

use std::time::Duration;

use bus::Trouble;
use chassis::postgres::TenantTx;
use contracts::events::v1::AnswerRequested;
use kernel::{AccountId, MessageId, Timestamp};
use line_types::message;
use messaging_outbox_core::answer::{self as rule, Verdict};
use messaging_outbox_core::chat::Chat;
use messaging_outbox_core::queue_time::queue_times;
use messaging_outbox_core::route::{self, SendPolicy};
use serde_json::Value;
use uuid::Uuid;

use super::{Linking, place};
use crate::change;
use crate::inbound::token_of;
use crate::postgres::account::{self, AccountKey};
use crate::postgres::inbound::{self, Touch};
use crate::postgres::send_queue::{self, Entry};
use crate::postgres::{conversation, reply_token};
use crate::trouble;
use crate::wake::Wake;

/// How long an answer waits for news of its account before it is looked at again.
const UNKNOWN_FOR: Duration = Duration::from_millis(500);

/// The account has not been heard of yet.
#[derive(Debug, thiserror::Error)]
#[error("the official account is not known yet")]
struct AccountUnknown;

/// An answer whose objects LINE would take.
pub(super) struct Answer {
    account: AccountId,
    chat: Chat,
    /// Our ID of the reply token of the event it answers.
    token: Option<Uuid>,
    objects: Vec<Value>,
    expire: Timestamp,
}

impl Answer {
    pub(super) fn of(asked: &AnswerRequested) -> Result<Self, &'static str> {
        let (account, chat) = place(&asked.account_id, &asked.line_user_id)?;
        let expire = asked.expire_time.as_ref().and_then(contracts::to_timestamp).ok_or("no time")?;
        let objects: Result<Vec<Value>, _> = asked.line_objects.iter().map(|json| serde_json::from_str(json)).collect();
        let objects = objects.map_err(|_| "not message objects")?;
        if !message::check(&objects).is_empty() {
            return Err("message objects that LINE would refuse");
        }
        let event = Some(asked.webhook_event_id.as_str()).filter(|event| !event.is_empty());
        Ok(Self { account, chat, token: event.map(|event| token_of(account, event)), objects, expire })
    }
}

impl Linking {
    /// Queues an answer, or drops it where the rules say so.
    pub(super) async fn answer(&self, tx: &mut TenantTx, answer: &Answer) -> Result<(), Trouble> {
        let now = self.clock.now();
        let gate = conversation::gate(tx, answer.account, &answer.chat).await?;
        match rule::decide(gate, answer.expire, now) {
            Verdict::Queue => self.queue(tx, answer, now).await.map_err(trouble::of),
            Verdict::Drop(dropped) => {
                let name = dropped.name();
                tx.after_commit(move || {
                    metrics::counter!("tsunagi_messaging_answers_dropped_total", "reason" => name).increment(1);
                });
                Ok(())
            }
            Verdict::Wait => Err(Trouble::unavailable(UNKNOWN_FOR, AccountUnknown)),
        }
    }

    async fn queue(&self, tx: &mut TenantTx, answer: &Answer, now: Timestamp) -> anyhow::Result<()> {
        let account = answer.account;
        let for_staff = !account::for_staff(tx, &[account.uuid()]).await?.is_empty();
        let staff = answer.chat.of_staff().filter(|_| for_staff);
        let chat = staff.as_ref().unwrap_or(&answer.chat);
        // The conversation's row first: whoever keeps its tokens holds it, too, so that one of both sees what the other did.
        let touch = Touch { account, chat, standby: None, occur_time: now, arrival: None, unread: false };
        inbound::touch(tx, &[touch]).await?;
        let id = chat.conversation(account);
        let tokens = reply_token::at_hand(tx, id, answer.token).await?;
        let last = conversation::last_message_time(tx, id).await?;
        let entry = |(time, object)| Entry {
            message: MessageId::new(time),
            conversation: id,
            account,
            class: route::CONVERSATION,
            policy: SendPolicy::ReplyFirst,
            silent: false,
            time,
            principal: None,
            staff: None,
            quotes: None,
            object,
            trace: chassis::trace::current(),
            wait: rule::patience(answer.token.is_some(), tokens, answer.expire, now),
            expire: Some(answer.expire),
        };
        let entries: Vec<Entry<'_>> = queue_times(last, now).zip(&answer.objects).map(entry).collect();
        send_queue::insert(tx, &entries).await?;
        let mut told = Vec::with_capacity(entries.len());
        for entry in &entries {
            let changed = conversation::wrote(tx, id, entry.message, entry.time).await?;
            if for_staff {
                // What goes to staff is shown nowhere.
                continue;
            }
            change::note(tx, &self.wakes, &[changed]).await?;
            told.push((changed, now, entry.trace.clone()));
        }
        change::announce_all(tx, &told).await?;
        let key = AccountKey { tenant: tx.tenant(), account };
        self.wakes.after(tx, Wake::Queue(key));
        let count = u64::try_from(entries.len()).unwrap_or_default();
        tx.after_commit(move || metrics::counter!("tsunagi_messaging_queued_total").increment(count));
        Ok(())
    }
}
