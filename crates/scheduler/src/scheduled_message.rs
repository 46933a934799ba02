//! Messages that go at a chosen time (F-31): messaging tells when, and a timer is kept for each. The highest generation wins, in
//! whatever order they are told.

use bus::consumer::key;
use bus::stream::Stream;
use bus::subject::{Family, Filter};
use bus::{ConsumerSpec, Handled, Handler, Incoming, Trouble};
use chassis::postgres::TenantTx;
use contracts::events::v1::messaging_event::Body;
use contracts::events::v1::{MessagingEvent, ScheduledMessageReplica};
use kernel::{MessageId, Timestamp};
use scheduler_core::timer::{LatePolicy, Timer};
use scheduler_core::{Key, Owner};

use crate::postgres::{message_schedule, timer};

/// Handles `messaging.v1.*.scheduled_message`.
pub(crate) struct ScheduledMessages;

/// How they are consumed.
pub(crate) fn spec() -> ConsumerSpec<MessagingEvent> {
    ConsumerSpec {
        subjects: vec![Filter::Happened(Family::Messaging, "scheduled_message")],
        batch: BATCH,
        ..ConsumerSpec::new("scheduled_message", Stream::Messaging, order)
    }
}

/// Events of one tenant that may share a transaction.
const BATCH: usize = 32;

fn order(event: &Incoming<MessagingEvent>) -> u64 {
    match &event.body.body {
        Some(Body::ScheduledMessage(schedule)) => key(&schedule.message_id),
        _ => key(&event.header.id),
    }
}

/// What a message's schedule says.
struct Schedule {
    message: MessageId,
    generation: i64,
    send_time: Option<Timestamp>,
}

impl Schedule {
    fn of(replica: &ScheduledMessageReplica) -> Result<Self, &'static str> {
        let send_time = replica.send_time.as_ref().map(|wire| contracts::to_timestamp(wire).ok_or("no send time"));
        Ok(Self {
            message: replica.message_id.parse().map_err(|_| "no message ID")?,
            generation: replica.generation,
            send_time: send_time.transpose()?,
        })
    }
}

impl Handler for ScheduledMessages {
    type Body = MessagingEvent;

    async fn handle(&self, tx: &mut TenantTx, event: &Incoming<MessagingEvent>) -> Result<Handled, Trouble> {
        let Some(Body::ScheduledMessage(replica)) = &event.body.body else { return Ok(Handled::Done) };
        match Schedule::of(replica) {
            Ok(schedule) => keep(tx, &schedule).await?,
            Err(reason) => return Ok(Handled::Never(reason)),
        }
        Ok(Handled::Done)
    }

    async fn handle_all(&self, tx: &mut TenantTx, events: &[&Incoming<MessagingEvent>]) -> Result<Handled, Trouble> {
        // By message, so that no two transactions lock each other out.
        let mut events = events.to_vec();
        events.sort_by_key(|event| match &event.body.body {
            Some(Body::ScheduledMessage(schedule)) => schedule.message_id.as_str(),
            _ => "",
        });
        for event in events {
            let handled = self.handle(tx, event).await?;
            if handled != Handled::Done {
                return Ok(handled);
            }
        }
        Ok(Handled::Done)
    }
}

async fn keep(tx: &mut TenantTx, schedule: &Schedule) -> Result<(), sqlx::Error> {
    if !message_schedule::hear(tx, schedule.message, schedule.generation).await? {
        return Ok(());
    }
    let key = Key::of_message(schedule.message);
    match schedule.send_time {
        Some(due) => {
            let generation = schedule.generation;
            // However late: messaging judges by what it knows whether the message still goes.
            let timer = Timer { owner: Owner::Message, key, generation, due, policy: LatePolicy::Late };
            timer::put_all(tx, &[timer]).await?;
        }
        None => {
            timer::cancel(tx, &Owner::Message, &[key]).await?;
        }
    }
    Ok(())
}
