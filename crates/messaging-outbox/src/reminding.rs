//! Reminders of reservations (F-107): what scheduler says is due becomes messages, each once, or is kept with the reason why nobody was
//! reminded; where that may pass, it is looked at again (`waiting`). One transaction for each event, with its inbox row.

mod waiting;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bus::consumer::key;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::postgres::TenantTx;
use chassis::{ClockTurn, failpoint};
use contracts::events::v1::scheduler_event::Body;
use contracts::events::v1::{DueReminder, RemindersDue, SchedulerEvent};
use kernel::{
    AccountId, ActivityId, Clock, ConversationId, CustomerId, MessageId, ReminderId, ReminderRuleId, Timestamp,
};
use line_types::message;
use messaging_outbox_core::chat::Chat;
use messaging_outbox_core::reminder::text::{self, Values, Zone};
use messaging_outbox_core::reminder::{self as rule, NotSent, Place, Reservation, Said, Verdict};
use messaging_outbox_core::route::{self, SendPolicy};
use messaging_outbox_core::state::MessageState;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::postgres::account::AccountKey;
use crate::postgres::inbound::{self, Touch};
use crate::postgres::reminder::{self, Reach, Reminder};
use crate::postgres::reminder_wait::{self, Waiting};
use crate::postgres::send_queue::{self, Entry};
use crate::postgres::settle::{self, Settled, TakenBack};
use crate::postgres::{activity, conversation};
use crate::wake::{Wake, Wakes};
use crate::{change, database_clock, trouble};

pub(crate) use waiting::spawn;

/// How long a reminder waits for news of its reservation before it is looked at again.
const UNKNOWN_FOR: Duration = Duration::from_secs(1);

/// Handles `scheduler.v1.{tenant}.reminders_due`.
pub(crate) struct Reminding {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) turn: ClockTurn,
    pub(crate) wakes: Wakes,
}

/// How they are consumed: in any order, for each reminder has one row.
pub(crate) fn spec() -> ConsumerSpec<SchedulerEvent> {
    ConsumerSpec {
        subjects: vec![Filter::Happened(Family::Scheduler, "reminders_due")],
        ..ConsumerSpec::new("reminders", Stream::Scheduler, |event| key(&event.header.id))
    }
}

/// Takes back what has not left yet of reminders of a reservation that was cancelled or moved since, or is over.
pub(crate) async fn withdraw(tx: &mut TenantTx, wakes: &Wakes, activity: ActivityId) -> anyhow::Result<()> {
    let outdated = reminder::outdated(tx, activity).await?;
    if outdated.is_empty() {
        return Ok(());
    }
    conversation::lock_of(tx, &outdated.iter().map(|(_, message)| message.uuid()).collect::<Vec<_>>()).await?;
    let mut taken = Vec::new();
    for (account, message) in outdated {
        if let TakenBack::Cancelled(one) = settle::take_back(tx, account, route::REMINDER, message).await? {
            taken.push(one);
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    let changed = conversation::bump(tx, &taken).await?;
    change::note(tx, wakes, &changed).await?;
    let now = crate::postgres::notice::now(tx).await?;
    change::announce_states(tx, &taken, now).await?;
    Ok(())
}

/// The reservation has not been heard of yet.
#[derive(Debug, thiserror::Error)]
#[error("a reservation to remind of is not known yet as it was said")]
struct ReservationUnknown;

impl Handler for Reminding {
    type Body = SchedulerEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<SchedulerEvent>) -> Result<Handled, Trouble> {
        let Some(Body::RemindersDue(due)) = &event.body.body else { return Ok(Handled::Done) };
        let reminders = match read(due, event.header.time) {
            Ok(reminders) => reminders,
            Err(reason) => return Ok(Handled::Never(reason)),
        };
        let known = Known::read(tx, &reminders).await?;
        let now = database_clock::now(tx, &self.turn).await?;
        let made = self.clock.now();
        let mut decided = Vec::with_capacity(reminders.len());
        for one in reminders.values() {
            let decision = known.decide(one, &due.template, now, made);
            decided.push(decision.ok_or_else(|| Trouble::unavailable(UNKNOWN_FOR, ReservationUnknown))?);
        }
        self.remind(tx, &decided, &due.template, made).await.map_err(trouble::of)?;
        failpoint::reached("messaging.after_reminders");
        Ok(Handled::Done)
    }
}

/// A reminder as an event says it.
#[derive(Clone, Copy)]
struct Due {
    activity: ActivityId,
    rule: ReminderRuleId,
    said: Said,
    moment: Timestamp,
}

type Of = (ActivityId, Timestamp);

fn read(due: &RemindersDue, time: Timestamp) -> Result<BTreeMap<Of, Due>, &'static str> {
    let rule: ReminderRuleId = due.rule_id.parse().map_err(|_| "no rule ID")?;
    let of = |one: &DueReminder| {
        let moment = |time: &Option<_>| time.as_ref().and_then(contracts::to_timestamp).ok_or("no time");
        let activity: ActivityId = one.activity_id.parse().map_err(|_| "no activity ID")?;
        let (start, expire) = (moment(&one.start_time)?, moment(&one.expire_time)?);
        let due = Due {
            activity,
            rule,
            said: Said { start, expire, time, version: one.activity_version },
            moment: moment(&one.due_time)?,
        };
        Ok(((activity, start), due))
    };
    due.reminders.iter().map(of).collect()
}

/// What is known of all that an event speaks of.
struct Known {
    zone: Option<Zone>,
    tenant: Option<rule::Tenant>,
    reservations: HashMap<ActivityId, (CustomerId, Reservation)>,
    places: HashMap<CustomerId, Vec<Reach>>,
}

/// A reminder, decided.
struct Decided {
    due: Due,
    customer: Option<CustomerId>,
    fate: Result<Letter, NotSent>,
    reminder: ReminderId,
    message: MessageId,
}

/// What is sent, and where.
struct Letter {
    account: AccountId,
    chat: Chat,
    /// When something happened in the conversation last; none: there is none yet.
    activity: Option<Timestamp>,
    object: Value,
}

impl Known {
    async fn read(tx: &mut TenantTx, reminders: &BTreeMap<Of, Due>) -> Result<Self, sqlx::Error> {
        let activities: Vec<Uuid> = reminders.keys().map(|(activity, _)| activity.uuid()).collect();
        let reservations = activity::read(tx, &activities).await?;
        let customers: Vec<Uuid> = reservations.values().map(|(customer, _)| customer.uuid()).collect();
        let places = reminder::places(tx, &customers).await?;
        let tenant = reminder::tenant(tx).await?;
        let zone = tenant.and_then(|tenant| tenant.zone);
        let tenant = tenant.map(|tenant| rule::Tenant { suspended: tenant.suspended, least: tenant.least });
        Ok(Self { zone, tenant, reservations, places })
    }

    /// What becomes of a reminder; none: it waits. `now`: by the database's clock; `made`: by ours, for the IDs.
    fn decide(&self, due: &Due, template: &str, now: Timestamp, made: Timestamp) -> Option<Decided> {
        let reservation = self.reservations.get(&due.activity);
        let customer = reservation.map(|(customer, _)| *customer);
        let reaches = customer.and_then(|customer| self.places.get(&customer)).map(Vec::as_slice).unwrap_or_default();
        let places: Vec<Place> = reaches.iter().map(|reach| reach.place).collect();
        let fate = match rule::decide(due.said, reservation.map(|(_, of)| *of), self.tenant, &places, now) {
            Verdict::Wait => return None,
            Verdict::NotSent(why) => Err(why),
            Verdict::Send(place) => {
                reaches.get(place).and_then(|reach| self.letter(reach, due, template)).ok_or(NotSent::TextRefused)
            }
        };
        let (reminder, message) = (ReminderId::new(made), MessageId::new(made));
        Some(Decided { due: *due, customer, fate, reminder, message })
    }

    /// The message to a place; none where its text cannot be filled in or LINE would refuse it.
    fn letter(&self, reach: &Reach, due: &Due, template: &str) -> Option<Letter> {
        let place = reach.place.account?;
        let start = self.zone?.local(due.said.start);
        let values = Values { customer_name: &reach.customer_name, shop: &reach.shop, start };
        let object = json!({ "type": "text", "text": text::fill_in(template, &values).ok()? });
        let letter = Letter { account: place.id, chat: reach.chat.clone(), activity: place.activity, object };
        message::check(std::slice::from_ref(&letter.object)).is_empty().then_some(letter)
    }
}

impl Reminding {
    /// Keeps what becomes of reminders of which nothing is kept yet, and queues their messages.
    async fn remind(
        &self,
        tx: &mut TenantTx,
        decided: &[Decided],
        template: &str,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let row = |one: &Decided| Reminder {
            id: one.reminder,
            activity: one.due.activity,
            rule: one.due.rule,
            start: one.due.said.start,
            due: one.due.moment,
            time: now,
            customer: one.customer,
            fate: one.fate.as_ref().map(|_| one.message).map_err(|why| *why),
        };
        let new = reminder::keep(tx, &decided.iter().map(row).collect::<Vec<_>>()).await?;
        let new = || decided.iter().filter(|one| new.contains(&one.reminder));
        let letters: Vec<(&Decided, &Letter)> = new().filter_map(|one| Some((one, one.fate.as_ref().ok()?))).collect();
        self.queue(tx, &letters, now).await?;
        let waiting: Vec<Waiting> = new()
            .filter(|one| one.fate.as_ref().is_err_and(|why| why.may_pass()))
            .map(|one| Waiting {
                reminder: one.reminder,
                activity: one.due.activity,
                rule: one.due.rule,
                said: one.due.said,
                due: one.due.moment,
                template: template.to_owned(),
            })
            .collect();
        reminder_wait::begin(tx, &waiting, waiting::AGAIN_AFTER).await?;
        let (made, not_sent) = (letters.len(), new().count() - letters.len());
        tx.after_commit(move || {
            count("made", made);
            count("not_sent", not_sent);
        });
        Ok(())
    }

    async fn queue(&self, tx: &mut TenantTx, letters: &[(&Decided, &Letter)], now: Timestamp) -> anyhow::Result<()> {
        if letters.is_empty() {
            return Ok(());
        }
        // Each conversation once, made where it is not there. A reminder is nothing that staff must look at: where something
        // happened before, that stays the latest.
        let chats: BTreeMap<ConversationId, &Letter> =
            letters.iter().map(|(_, letter)| (letter.chat.conversation(letter.account), *letter)).collect();
        let touches: Vec<Touch<'_>> = chats
            .values()
            .map(|letter| Touch {
                account: letter.account,
                chat: &letter.chat,
                standby: None,
                occur_time: letter.activity.unwrap_or(now),
                arrival: None,
                unread: false,
            })
            .collect();
        inbound::touch(tx, &touches).await?;
        let entries: Vec<Entry<'_>> = letters.iter().map(|(one, letter)| entry(one, letter, now)).collect();
        send_queue::insert(tx, &entries).await?;
        let queued: Vec<Settled> = entries.iter().map(settled).collect();
        let changed = conversation::bump(tx, &queued).await?;
        change::note(tx, &self.wakes, &changed).await?;
        for entry in &entries {
            self.wakes.after(tx, Wake::Queue(AccountKey { tenant: tx.tenant(), account: entry.account }));
        }
        let count = u64::try_from(entries.len()).unwrap_or_default();
        tx.after_commit(move || metrics::counter!("tsunagi_messaging_queued_total").increment(count));
        Ok(())
    }
}

fn count(outcome: &'static str, number: usize) {
    let number = u64::try_from(number).unwrap_or_default();
    metrics::counter!("tsunagi_messaging_reminders_total", "outcome" => outcome).increment(number);
}

fn entry<'a>(one: &Decided, letter: &'a Letter, now: Timestamp) -> Entry<'a> {
    Entry {
        message: one.message,
        conversation: letter.chat.conversation(letter.account),
        account: letter.account,
        class: route::REMINDER,
        policy: SendPolicy::PushOnly,
        silent: false,
        time: now,
        principal: None,
        staff: None,
        quotes: None,
        object: &letter.object,
        trace: chassis::trace::current(),
        wait: None,
        expire: Some(one.due.said.expire),
    }
}

fn settled(entry: &Entry<'_>) -> Settled {
    Settled {
        message: entry.message,
        conversation: entry.conversation,
        account: entry.account,
        class: entry.class,
        state: MessageState::Queued,
    }
}
