//! Putting messages aside, so that nothing behind them waits: one that cannot be handled now, or many of a tenant whose events
//! pile up.

use async_nats::jetstream::AckKind;
use kernel::DeadLetterId;

use super::job::Fresh;
use super::{Consumer, Handler};
use crate::incoming::Raw;
use crate::parked::{self, Aside, Next};
use crate::{dead_letter, inbox};

/// Why a message is put aside and what happens next.
#[derive(Debug)]
pub(super) struct Why {
    pub(super) next: Next,
    pub(super) attempts: u32,
    pub(super) reason: String,
}

impl<H: Handler> Consumer<H> {
    /// Puts a message aside and acknowledges it; while the database is away it waits, and gives the message back when the
    /// consumer stops.
    pub(super) async fn put_aside(&self, message: &Fresh<H::Body>, why: Why) {
        let mut away = 0;
        loop {
            match self.try_aside(message, &why).await {
                Ok(()) => {
                    self.note_aside(&message.event_id, &why);
                    return self.answer(&message.reply, AckKind::Ack).await;
                }
                Err(error) => {
                    if !self.pause_while_away(&error, &mut away).await {
                        return self.answer(&message.reply, AckKind::Nak(None)).await;
                    }
                }
            }
        }
    }

    /// The message as it came, or what the handler keeps of it.
    fn kept(&self, message: &Fresh<H::Body>) -> Raw {
        let raw = message.raw();
        match message.event.as_ref().ok().and_then(|event| self.handler.reduced(event)) {
            Some(body) => raw.with(&body),
            None => raw,
        }
    }

    async fn try_aside(&self, message: &Fresh<H::Body>, why: &Why) -> Result<(), sqlx::Error> {
        let mut tx = self.database.tenant(message.tenant).await?;
        if inbox::take(&mut tx, self.number, vec![message.event_key]).await?.is_empty() {
            return Ok(());
        }
        let raw = self.kept(message);
        let aside = Aside {
            message_id: DeadLetterId::new(self.clock.now()).uuid(),
            consumer: self.spec.name,
            raw: &raw,
            event_key: message.event_key,
            event_id: &message.event_id,
            order_key: message.order_key,
            attempts: why.attempts,
            next: why.next,
            reason: &why.reason,
        };
        let forgotten = match &message.event {
            Ok(event) => self.handler.must_forget(&mut tx, event).await?,
            Err(_) => false,
        };
        parked::insert(&mut tx, &aside).await?;
        if forgotten {
            dead_letter::erase(&mut tx, &message.event_id).await?;
        }
        tx.commit().await
    }

    pub(super) fn note_aside(&self, event_id: &str, why: &Why) {
        let consumer = self.spec.name;
        match why.next {
            Next::GaveUp => {
                metrics::counter!("tsunagi_bus_dead_letters_total", "consumer" => consumer).increment(1);
                tracing::error!(
                    consumer,
                    event.id = event_id,
                    attempts = why.attempts,
                    reason = why.reason,
                    "given up: a dead letter"
                );
            }
            Next::Due(pause) => {
                metrics::counter!("tsunagi_bus_parked_total", "consumer" => consumer).increment(1);
                tracing::info!(
                    consumer,
                    event.id = event_id,
                    attempts = why.attempts,
                    reason = why.reason,
                    ?pause,
                    "tried again later"
                );
                self.dispatch.due_in(pause);
            }
        }
    }

    /// Puts aside what belongs to tenants whose events pile up, in one statement, and acknowledges it.
    pub(super) async fn park(&self, messages: &[Box<Fresh<H::Body>>]) -> Result<(), sqlx::Error> {
        let raws: Vec<_> = messages.iter().map(|message| self.kept(message)).collect();
        let asides: Vec<_> = messages
            .iter()
            .zip(&raws)
            .map(|(message, raw)| {
                let aside = Aside {
                    message_id: DeadLetterId::new(self.clock.now()).uuid(),
                    consumer: self.spec.name,
                    raw,
                    event_key: message.event_key,
                    event_id: &message.event_id,
                    order_key: message.order_key,
                    attempts: 0,
                    next: Next::Due(std::time::Duration::ZERO),
                    reason: "",
                };
                (message.tenant.uuid(), aside)
            })
            .collect();
        parked::insert_all(&self.database, self.number, &asides).await?;
        for message in messages {
            self.answer(&message.reply, AckKind::Ack).await;
        }
        metrics::counter!("tsunagi_bus_overflowed_total", "consumer" => self.spec.name)
            .increment(u64::try_from(messages.len()).unwrap_or(u64::MAX));
        self.dispatch.due_in(std::time::Duration::ZERO);
        Ok(())
    }
}
