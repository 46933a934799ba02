//! What scheduler says of messages that wait for their time (F-31): those whose moment has come go into the send queue, or are refused
//! as SendMessage would be refused then. One transaction for each event, with its inbox row.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bus::consumer::key;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::ClockTurn;
use chassis::failpoint;
use chassis::postgres::TenantTx;
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{MessagesDue, SchedulerEvent};
use kernel::{Clock, ConversationId, MessageId, Timestamp};
use messaging_outbox_core::attempt::FailureKind;
use messaging_outbox_core::queue_time::queue_times;
use messaging_outbox_core::route;
use messaging_outbox_core::schedule::{self as rule, Refused, Verdict};
use messaging_outbox_core::state::MessageState;
use uuid::Uuid;

use crate::notice::{self, Channels};
use crate::postgres::account::AccountKey;
use crate::postgres::conversation::{self, Conversation};
use crate::postgres::put_off;
use crate::postgres::schedule::{self, Scheduled};
use crate::postgres::send_queue::{self, Queued};
use crate::postgres::settle::{Failure, Settled};
use crate::wake::{Wake, Wakes};
use crate::{change, database_clock, trouble};

/// Handles `scheduler.v1.{tenant}.messages_due`.
pub(crate) struct ScheduledSends {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) turn: ClockTurn,
    pub(crate) wakes: Wakes,
    pub(crate) channels: Channels,
}

/// How they are consumed: in any order, for each message is locked and says itself which moment it waits for.
pub(crate) fn spec() -> ConsumerSpec<SchedulerEvent> {
    ConsumerSpec {
        subjects: vec![Filter::Happened(Family::Scheduler, "messages_due")],
        ..ConsumerSpec::new("scheduled_sends", Stream::Scheduler, |event| key(&event.header.id))
    }
}

/// The moment has not come by this database's clock.
#[derive(Debug, thiserror::Error)]
#[error("a message's time has not come yet")]
struct TooEarly;

impl Handler for ScheduledSends {
    type Body = SchedulerEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<SchedulerEvent>) -> Result<Handled, Trouble> {
        let Some(Body::MessagesDue(due)) = &event.body.body else { return Ok(Handled::Done) };
        let Some(said) = read(due) else { return Ok(Handled::Never("no message ID")) };
        let judged = self.judge(tx, &said).await?;
        self.carry_out(tx, judged).await.map_err(trouble::of)?;
        failpoint::reached("messaging.after_due");
        Ok(Handled::Done)
    }
}

/// The versions of which an event says that their moment has come.
fn read(due: &MessagesDue) -> Option<BTreeMap<MessageId, i64>> {
    due.messages.iter().map(|one| Some((one.message_id.parse().ok()?, one.generation))).collect()
}

/// What becomes of an event's messages.
struct Judged {
    now: Timestamp,
    go: Vec<(Scheduled, Timestamp)>,
    refused: Vec<(Scheduled, Refused)>,
    again: Vec<Scheduled>,
    /// When the last message of each conversation was.
    last: HashMap<ConversationId, Option<Timestamp>>,
}

impl ScheduledSends {
    /// Locks what the event speaks of, and decides. Whoever changes or cancels one of the messages comes before or behind this. What
    /// else of their conversations has its time behind it goes along, so that they leave in the order of their times, whatever was
    /// said first.
    async fn judge(&self, tx: &mut TenantTx, said: &BTreeMap<MessageId, i64>) -> Result<Judged, Trouble> {
        let ids: Vec<Uuid> = said.keys().map(|message| message.uuid()).collect();
        conversation::lock_of(tx, &ids).await?;
        let mut waiting = schedule::waiting(tx, &ids).await?;
        let now = database_clock::now(tx, &self.turn).await?;
        let mut conversations: Vec<ConversationId> = waiting.iter().map(|one| one.conversation).collect();
        conversations.sort_unstable();
        conversations.dedup();
        let of: Vec<Uuid> = conversations.iter().map(|id| id.uuid()).collect();
        let passed = schedule::passed(tx, &of, now).await?;
        waiting.extend(passed.into_iter().filter(|one| !said.contains_key(&one.message)));
        let conversations = conversation::read(tx, &conversations, self.clock.now()).await?;
        let conversations: HashMap<ConversationId, Conversation> =
            conversations.into_iter().map(|one| (one.id, one)).collect();
        let last = conversations.values().map(|one| (one.id, one.last_message_time)).collect();
        let mut judged = Judged { now, go: Vec::new(), refused: Vec::new(), again: Vec::new(), last };
        let mut too_early = None;
        for one in waiting {
            let Some(to) = conversations.get(&one.conversation) else { continue };
            let said = said.get(&one.message).copied().unwrap_or(one.schedule.generation);
            match rule::judge(one.schedule, said, to.may_send(), now) {
                Verdict::Past => {}
                Verdict::Go { expire } => judged.go.push((one, expire)),
                Verdict::Refuse(why) => judged.refused.push((one, why)),
                Verdict::SayAgain => judged.again.push(one),
                Verdict::Wait(wait) => too_early = Some(too_early.map_or(wait, |longest: Duration| longest.max(wait))),
            }
        }
        // Nothing of the event is kept then, and all of it is judged anew.
        too_early.map_or(Ok(judged), |wait| Err(Trouble::unavailable(wait, TooEarly)))
    }

    async fn carry_out(&self, tx: &mut TenantTx, judged: Judged) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut settled = self.refuse(tx, &judged.refused, now).await?;
        settled.extend(self.queue(tx, &judged, now).await?);
        change::announce_states(tx, &settled, now).await?;
        let mut anew = Vec::with_capacity(judged.again.len());
        for one in &judged.again {
            let to = one.schedule.changed(None, None);
            schedule::change(tx, one.message, to).await?;
            anew.push((one.message, to.generation, Some(to.send_time)));
        }
        change::announce_moments(tx, &anew, now).await?;
        let figures = [("queued", judged.go.len()), ("refused", judged.refused.len()), ("early", judged.again.len())];
        tx.after_commit(move || {
            for (outcome, count) in figures {
                let count = u64::try_from(count).unwrap_or_default();
                metrics::counter!("tsunagi_messaging_scheduled_due_total", "outcome" => outcome).increment(count);
            }
        });
        Ok(())
    }

    async fn refuse(
        &self,
        tx: &mut TenantTx,
        refused: &[(Scheduled, Refused)],
        now: Timestamp,
    ) -> anyhow::Result<Vec<Settled>> {
        if refused.is_empty() {
            return Ok(Vec::new());
        }
        let gone: Vec<_> = refused.iter().map(|(one, _)| (one.message, now)).collect();
        schedule::leave(tx, &gone, MessageState::Refused).await?;
        let why = |why: &Refused| match why {
            Refused::Expired => Failure::of(FailureKind::Expired),
            Refused::Barred(barrier) => Failure::barred(*barrier),
        };
        let failures: Vec<_> = refused.iter().map(|(one, refused)| (one.message, why(refused))).collect();
        schedule::fail(tx, &failures).await?;
        let settled: Vec<Settled> = refused.iter().map(|(one, _)| one.settled(MessageState::Refused)).collect();
        let changed = conversation::bump(tx, &settled).await?;
        change::note(tx, &self.wakes, &changed).await?;
        notice::tell_of_replies(tx, &self.channels, &settled, now).await?;
        Ok(settled)
    }

    async fn queue(&self, tx: &mut TenantTx, judged: &Judged, now: Timestamp) -> anyhow::Result<Vec<Settled>> {
        if judged.go.is_empty() {
            return Ok(Vec::new());
        }
        let mut by_conversation: BTreeMap<ConversationId, Vec<MessageId>> = BTreeMap::new();
        let mut in_order: Vec<&Scheduled> = judged.go.iter().map(|(one, _)| one).collect();
        in_order.sort_unstable_by_key(|one| (one.schedule.send_time, one.message));
        for one in in_order {
            by_conversation.entry(one.conversation).or_default().push(one.message);
        }
        let mut times: Vec<(MessageId, Timestamp)> = Vec::with_capacity(judged.go.len());
        let mut behind: HashMap<MessageId, MessageId> = HashMap::new();
        for (conversation, messages) in &by_conversation {
            let last = judged.last.get(conversation).copied().flatten();
            times.extend(messages.iter().copied().zip(queue_times(last, now)));
            let before = rule::behind(messages);
            behind.extend(messages.iter().zip(before).filter_map(|(message, before)| Some((*message, before?))));
        }
        schedule::leave(tx, &times, MessageState::Queued).await?;
        let queued = judged.go.iter().map(|(one, expire)| Queued {
            behind: behind.get(&one.message).copied(),
            ..one.queued(*expire, judged.now)
        });
        send_queue::queue(tx, &queued.collect::<Vec<_>>()).await?;
        for conversation in by_conversation.keys() {
            // Whoever is answered by hand waits no more (F-29).
            put_off::clear(tx, *conversation).await?;
        }
        let of: HashMap<MessageId, &Scheduled> = judged.go.iter().map(|(one, _)| (one.message, one)).collect();
        let mut told = Vec::with_capacity(times.len());
        for (message, time) in times {
            let Some(one) = of.get(&message) else { continue };
            let changed = conversation::wrote(tx, one.conversation, message, time).await?;
            change::note(tx, &self.wakes, &[changed]).await?;
            told.push((changed, now, one.trace.clone()));
        }
        change::announce_all(tx, &told).await?;
        for (one, _) in &judged.go {
            self.wakes.after(tx, Wake::Queue(AccountKey { tenant: tx.tenant(), account: one.account }));
        }
        let count = u64::try_from(judged.go.len()).unwrap_or_default();
        tx.after_commit(move || metrics::counter!("tsunagi_messaging_queued_total").increment(count));
        Ok(judged.go.iter().map(|(one, _)| one.settled(MessageState::Queued)).collect())
    }
}

impl Scheduled {
    fn queued(&self, expire: Timestamp, since: Timestamp) -> Queued {
        Queued {
            message: self.message,
            conversation: self.conversation,
            account: self.account,
            class: route::CONVERSATION,
            policy: self.policy,
            silent: self.silent,
            trace: self.trace.clone(),
            wait: None,
            expire: Some(expire),
            since: Some(since),
            behind: None,
        }
    }

    /// The message in another state.
    pub(crate) fn settled(&self, state: MessageState) -> Settled {
        Settled {
            message: self.message,
            conversation: self.conversation,
            account: self.account,
            class: route::CONVERSATION,
            state,
        }
    }
}
