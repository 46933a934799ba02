//! Messages that wait for their time: written, changed, cancelled, listed (F-31).

use std::time::Duration;

use chassis::ClockTurn;
use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::TenantTx;
use contracts::messaging::v1 as wire;
use kernel::{AccountId, ConversationId, MessageId, Timestamp};
use messaging_outbox_core::schedule::{self as rule, Schedule};
use messaging_outbox_core::state::MessageState;
use tonic::{Response, Status};
use uuid::Uuid;

use super::wire as to_wire;
use super::{Desk, field, outgoing};
use crate::postgres::conversation;
use crate::postgres::message::{self, Message, Waiting};
use crate::postgres::schedule::{self, Scheduled, Words};
use crate::postgres::send_queue::{self, Entry};
use crate::postgres::settle::Settled;
use crate::{change, database_clock};

/// When a message is to go that is sent; none: at once.
pub(super) async fn plan(
    tx: &mut TenantTx,
    turn: &ClockTurn,
    request: &wire::SendMessageRequest,
) -> Result<Option<Schedule>, Status> {
    let late_for = late_for(request.late_for.as_ref())?;
    let Some(asked) = &request.send_time else {
        return match late_for {
            None => Ok(None),
            Some(_) => Err(refuse::invalid("late_for", "needs a send_time")),
        };
    };
    let send_time = send_time(tx, turn, asked).await?;
    Ok(Some(Schedule::new(send_time, late_for.unwrap_or(rule::LATE_FOR))))
}

async fn send_time(tx: &mut TenantTx, turn: &ClockTurn, asked: &prost_types::Timestamp) -> Result<Timestamp, Status> {
    let refused = |why: &str| refuse::invalid("send_time", why);
    // To the microsecond, as it is kept.
    let asked =
        contracts::to_timestamp(asked).and_then(|time| Timestamp::from_timestamp_micros(time.timestamp_micros()));
    let asked = asked.ok_or_else(|| refused("is not a moment"))?;
    let now = database_clock::now(tx, turn).await.map_err(refuse::database)?;
    rule::send_time(asked, now).map_err(|unfit| refused(unfit.0))
}

fn late_for(asked: Option<&prost_types::Duration>) -> Result<Option<Duration>, Status> {
    let Some(asked) = asked else { return Ok(None) };
    // To the second, as it is kept.
    let asked = Duration::try_from(*asked).map(|asked| Duration::from_secs(asked.as_secs())).unwrap_or_default();
    rule::late_for(asked).map(Some).map_err(|unfit| refuse::invalid("late_for", unfit.0))
}

impl Desk {
    /// Keeps a message until its time.
    pub(super) async fn keep(&self, tx: &mut TenantTx, entry: &Entry<'_>, plan: Schedule) -> Result<(), Status> {
        let scheduled = Scheduled {
            message: entry.message,
            conversation: entry.conversation,
            account: entry.account,
            schedule: plan,
            policy: entry.policy,
            silent: entry.silent,
            trace: entry.trace.clone(),
        };
        // The conversation's row first, as everywhere.
        self.tell(tx, &scheduled.settled(MessageState::Scheduled)).await?;
        send_queue::keep(tx, std::slice::from_ref(entry), MessageState::Scheduled).await.map_err(refuse::database)?;
        schedule::insert(tx, &scheduled).await.map_err(refuse::database)?;
        self.say_moment(tx, scheduled.message, plan.generation, Some(plan.send_time)).await
    }

    /// Changes what a message says or when it goes, while it waits for its time.
    pub(super) async fn reschedule(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        found: &Message,
        request: &wire::RescheduleMessageRequest,
    ) -> Result<(), Status> {
        if request.content.is_none() && request.send_time.is_none() && request.late_for.is_none() {
            return Err(refuse::invalid("send_time", "nothing is given to be changed"));
        }
        let late_for = late_for(request.late_for.as_ref())?;
        let known = self.waiting(tx, found.id).await?;
        let known = known
            .ok_or_else(|| refuse::precondition("MESSAGE_NOT_SCHEDULED", "the message does not wait for its time"))?;
        if !request.etag.is_empty() && request.etag != to_wire::etag(known.schedule) {
            return Err(refuse::aborted("ETAG_MISMATCH"));
        }
        let send_time = match &request.send_time {
            Some(asked) => Some(send_time(tx, &self.tools.turn, asked).await?),
            None => None,
        };
        if request.content.is_some() {
            let what = outgoing::read(tx, found.conversation, request.content.as_ref()).await?;
            let words = Words {
                object: &what.object,
                quotes: what.quotes,
                principal: caller.principal().uuid(),
                staff: caller.staff().map(|staff| (staff.id.uuid(), staff.display_name.as_str())),
            };
            schedule::rewrite(tx, found.id, words).await.map_err(refuse::database)?;
        }
        let to = known.schedule.changed(send_time, late_for);
        schedule::change(tx, found.id, to).await.map_err(refuse::database)?;
        self.tell(tx, &known.settled(MessageState::Scheduled)).await?;
        self.say_moment(tx, found.id, to.generation, Some(to.send_time)).await?;
        let detail = serde_json::json!({
            "send_time": to.send_time, "late_seconds": to.late_for.as_secs(), "content": request.content.is_some(),
        });
        audit::record(tx, &Actor::of(caller), "message.reschedule", &format!("message/{}", found.id), detail)
            .await
            .map_err(refuse::database)
    }

    /// Takes a message back that waits for its time; none where it does not. Its conversation must be locked.
    pub(super) async fn withdraw(&self, tx: &mut TenantTx, id: MessageId) -> Result<Option<Settled>, Status> {
        let Some(known) = schedule::waiting(tx, &[id.uuid()]).await.map_err(refuse::database)?.pop() else {
            return Ok(None);
        };
        let gone = [(id, self.tools.clock.now())];
        schedule::leave(tx, &gone, MessageState::Cancelled).await.map_err(refuse::database)?;
        self.say_moment(tx, id, known.schedule.changed(None, None).generation, None).await?;
        Ok(Some(known.settled(MessageState::Cancelled)))
    }

    /// The messages that wait for their time, the next one first.
    pub(super) async fn list_scheduled(
        &self,
        caller: &Caller,
        request: &wire::ListOutboundMessagesRequest,
        account: Option<AccountId>,
        conversation: Option<ConversationId>,
    ) -> Result<Response<wire::ListOutboundMessagesResponse>, Status> {
        let page = Page::<(Timestamp, Uuid)>::asked(caller.tenant(), request)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        field::known_accounts(&mut tx, account.map(AccountId::uuid).as_slice()).await?;
        let sight = caller.sight();
        self.known_conversation(&mut tx, conversation, &sight).await?;
        let waiting = Waiting { account, conversation, after: page.after, limit: page.rows() };
        let found = message::list_scheduled(&mut tx, &waiting).await.map_err(refuse::database)?;
        let (found, next_page_token) = page.cut(found, |last| {
            let time = last.schedule.map_or(last.time, |schedule| schedule.send_time);
            (time, last.id.uuid())
        });
        let found = self.seen(&mut tx, found, &sight).await?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::ListOutboundMessagesResponse {
            next_page_token,
            messages: found.iter().map(|message| to_wire::message(message, false)).collect(),
        }))
    }

    /// A message that waits for its time, its conversation locked: whoever says that its time has come is before this or behind.
    async fn waiting(&self, tx: &mut TenantTx, id: MessageId) -> Result<Option<Scheduled>, Status> {
        conversation::lock_of(tx, &[id.uuid()]).await.map_err(refuse::database)?;
        Ok(schedule::waiting(tx, &[id.uuid()]).await.map_err(refuse::database)?.pop())
    }

    async fn say_moment(
        &self,
        tx: &mut TenantTx,
        message: MessageId,
        generation: i64,
        send_time: Option<Timestamp>,
    ) -> Result<(), Status> {
        let now = self.tools.clock.now();
        let moment = [(message, generation, send_time)];
        change::announce_moments(tx, &moment, now).await.map_err(|error| refuse::internal(&error))
    }
}
