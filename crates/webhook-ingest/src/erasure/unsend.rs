//! A look for messages that were taken back. Those of one account whose looks are near each other are looked for in one pass.

use chassis::work_queue::Job;
use chrono::TimeDelta;
use ulid::Ulid;
use uuid::Uuid;
use webhook_ingest_core::{Sought, message_span};

use super::hits::{self, Hit};
use super::matter::{self, InHand, Matter};
use super::shelf::{Run, Shelf};
use super::sweep::{FIRST_LOOKS, LEASE, Sweeper, Trouble};

/// Messages looked for in one pass, beside the one that is due.
const TOGETHER: i64 = 500;
/// Time of event IDs looked through by one statement.
const STRETCH: TimeDelta = TimeDelta::days(7);

/// A message that is looked for.
struct Message {
    matter: Matter,
    text: String,
    /// The first ID that may be of it, and the first that is not any more.
    span: (Uuid, Uuid),
    /// A look at it broke off: what was cut out of the archive then may still be in the stream.
    is_again: bool,
}

/// The messages of a pass: what is sought, the erasure it is for and how many events it was cut out of, each by one.
struct Pass {
    messages: Vec<Message>,
    sought: Vec<Sought>,
    erasures: Vec<Uuid>,
    erased: Vec<usize>,
}

impl Sweeper {
    /// Looks the archive through for a message, and for the account's others whose time has come or is near; notes that of the others,
    /// which are looked for again when their claims have run out, should this break off. As long as it takes, all stay in hand.
    pub(super) async fn look_for_messages(&self, job: &Job, due: Matter) -> Result<(), Trouble> {
        let mut tx = self.database.tenant(job.tenant).await?;
        let near = matter::take_near(&mut tx, &due, TOGETHER, LEASE).await?;
        tx.commit().await?;
        let others: Vec<(Uuid, Uuid)> = near.iter().map(|near| (near.matter.id, near.claim)).collect();
        let waits: Vec<_> = near.iter().map(|near| self.next_look(&near.matter)).collect();
        let held = [[(job.subject, job.claim)].as_slice(), &others].concat();
        let mut pass = self.pass(job, due, near).ok_or(Trouble::Unknown)?;
        tokio::select! {
            gone_through = self.go_through(job, &mut pass) => gone_through?,
            trouble = self.hold_on(job, &held) => return Err(trouble),
        }
        let mut tx = self.database.tenant(job.tenant).await?;
        matter::looked(&mut tx, others.into_iter().zip(waits).map(|((id, claim), wait)| (id, claim, wait))).await?;
        Ok(tx.commit().await?)
    }

    fn pass(&self, job: &Job, due: Matter, near: Vec<InHand>) -> Option<Pass> {
        let due = message(due, job.attempts > 1)?;
        let near = near.into_iter().filter_map(|near| message(near.matter, near.attempts > 1));
        let messages: Vec<Message> = std::iter::once(due).chain(near).collect();
        let sought: Option<Vec<Sought>> =
            messages.iter().map(|message| message.matter.sought(job.tenant, &self.vault)).collect();
        let erasures: Vec<Uuid> = messages.iter().map(|message| message.matter.id).collect();
        Some(Pass { sought: sought?, erased: vec![0; erasures.len()], erasures, messages })
    }

    /// Keeps them in hand for ever; comes back when somebody else has one.
    async fn hold_on(&self, job: &Job, held: &[(Uuid, Uuid)]) -> Trouble {
        loop {
            tokio::time::sleep(LEASE / 4).await;
            let renewed = async {
                let mut tx = self.database.tenant(job.tenant).await?;
                let renewed = matter::hold_on(&mut tx, held, LEASE).await?;
                tx.commit().await?;
                Ok::<_, sqlx::Error>(renewed)
            };
            match renewed.await {
                Ok(renewed) if renewed == held.len() as u64 => {}
                Ok(_) => return Trouble::Lost,
                Err(error) => return error.into(),
            }
        }
    }

    /// The archive first, then the stream.
    async fn go_through(&self, job: &Job, pass: &mut Pass) -> Result<(), Trouble> {
        let hits = self.of_messages(job, &pass.messages).await?;
        let shelves = self.shelves(job.tenant);
        let account = pass.messages[0].matter.account;
        let mut bodies: Vec<Uuid> = hits.iter().map(|(_, hit)| hit.body).collect();
        bodies.sort_unstable();
        bodies.dedup();
        let found = shelves.look_at(&bodies, &pass.sought).await?;
        pass.erased = self.cut(shelves, Shelf::Taken, &found, &pass.sought, &pass.erasures).await?;
        // Copies beside other events, and quarantined ones, are found by no ID.
        let first = pass.messages.iter().map(|message| message.span.0).min().unwrap_or_default();
        for shelf in [Shelf::Shared, Shelf::Quarantined] {
            let mut run = Run { shelf, account, after: first, before: Uuid::max() };
            while let Some(portion) = shelves.look(run, &pass.sought).await? {
                let more = self.cut(shelves, shelf, &portion.found, &pass.sought, &pass.erasures).await?;
                pass.erased.iter_mut().zip(more).for_each(|(erased, more)| *erased += more);
                run.after = portion.last;
            }
        }
        let in_stream: Vec<Hit> =
            hits.into_iter().filter_map(|(message, hit)| pass.may_be_in_stream(&message).then_some(hit)).collect();
        self.cut_out_of_stream(job.tenant, &in_stream).await
    }

    /// The events about these messages.
    async fn of_messages(&self, job: &Job, messages: &[Message]) -> Result<Vec<(String, Hit)>, Trouble> {
        let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
        let mut spans: Vec<(Uuid, Uuid)> = messages.iter().map(|message| message.span).collect();
        spans.sort_unstable();
        let mut hits = Vec::new();
        let mut done = Uuid::nil();
        for (from, to) in spans {
            let mut from = from.max(done);
            while from < to {
                let end = behind(from).min(to);
                let mut tx = self.database.tenant(job.tenant).await?;
                hits.extend(hits::of_messages(&mut tx, messages[0].matter.account, (from, end), &texts).await?);
                tx.commit().await?;
                from = end;
            }
            done = done.max(to);
        }
        Ok(hits)
    }
}

impl Pass {
    /// Whether the stream may still hold a copy of an event about the message: it was cut out of the archive just now, or by a look that
    /// broke off, or may have been on its way to the stream.
    fn may_be_in_stream(&self, message: &str) -> bool {
        let of_it = self.messages.iter().zip(&self.erased).filter(|(known, _)| known.text == message);
        of_it.into_iter().any(|(known, erased)| *erased > 0 || known.is_again || known.matter.looks < FIRST_LOOKS)
    }
}

/// What is looked for of this matter; none where it is not of a message.
fn message(matter: Matter, is_again: bool) -> Option<Message> {
    let (from, to) = message_span(Ulid(matter.unsend?.as_u128()));
    let span = (Uuid::from_u128(from.0), Uuid::from_u128(to.0));
    Some(Message { text: matter.message.clone()?, matter, span, is_again })
}

/// The first ID a stretch behind this one.
fn behind(id: Uuid) -> Uuid {
    let millis = Ulid(id.as_u128()).timestamp_ms();
    let latest = (1 << Ulid::TIME_BITS) - 1;
    Uuid::from_u128(Ulid::from_parts((millis + STRETCH.num_milliseconds().unsigned_abs()).min(latest), u128::MAX).0)
}
