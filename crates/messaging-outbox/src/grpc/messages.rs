//! Messages: sent, read, listed, taken back, settled.

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse::{self, Violations};
use chassis::idempotency::{self, Begun};
use chassis::page::Page;
use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::message_service_server::MessageService;
use kernel::{AccountId, ConversationId, MessageId, Sight};
use messaging_outbox_core::queue_time::queue_time;
use messaging_outbox_core::route::{self, SendPolicy};
use messaging_outbox_core::schedule::Schedule;
use messaging_outbox_core::state::MessageState;
use prost::Message as _;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::content::ContentStream;
use super::wire::{self as to_wire, sees_line_user_ids};
use super::{Desk, field, outgoing, scheduling};
use crate::change;
use crate::postgres::account::AccountKey;
use crate::postgres::message::Outbound;
use crate::postgres::send_queue::Entry;
use crate::postgres::settle::{Settled, TakenBack};
use crate::postgres::{conversation, message, put_off, send_queue, settle};
use crate::wake::Wake;

const SEND: &str = "tsunagi.messaging.v1.MessageService/SendMessage";
/// The longest note of a settlement, in characters.
const LONGEST_NOTE: usize = 500;

#[tonic::async_trait]
impl MessageService for Desk {
    async fn send_message(
        &self,
        request: Request<wire::SendMessageRequest>,
    ) -> Result<Response<wire::SendMessageResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let begun = idempotency::begin(&mut tx, SEND, &request.request_id, &request.encode_to_vec()).await?;
        if let Begun::Again(answer) = begun {
            tx.rollback().await.map_err(refuse::database)?;
            let id = Uuid::from_slice(&answer).map(MessageId::from).map_err(|error| refuse::internal(&error))?;
            return self.sent(&caller, id).await;
        }
        let plan = scheduling::plan(&mut tx, &self.tools.turn, &request).await?;
        let id = self.take_in(&mut tx, &caller, &request, plan).await?;
        // The answer that is kept names the message and holds none of its content.
        idempotency::finish(&mut tx, SEND, &request.request_id, id.uuid().as_bytes()).await?;
        let found = self.message(&mut tx, id, &Sight::Everything).await?;
        tx.commit().await.map_err(refuse::database)?;
        if plan.is_none() {
            metrics::counter!("tsunagi_messaging_queued_total").increment(1);
        }
        Ok(Response::new(wire::SendMessageResponse { message: Some(to_wire::message(&found, false)) }))
    }

    async fn get_message(
        &self,
        request: Request<wire::GetMessageRequest>,
    ) -> Result<Response<wire::GetMessageResponse>, Status> {
        let caller = Caller::of(&request);
        let id = field::id("message_id", &request.get_ref().message_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = self.message(&mut tx, id, &caller.sight()).await?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::GetMessageResponse {
            message: Some(to_wire::message(&found, sees_line_user_ids(&caller))),
        }))
    }

    async fn list_outbound_messages(
        &self,
        request: Request<wire::ListOutboundMessagesRequest>,
    ) -> Result<Response<wire::ListOutboundMessagesResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let state = match request.state {
            0 => None,
            code => {
                let state = i16::try_from(code).ok().and_then(MessageState::from_code);
                Some(state.ok_or_else(|| refuse::invalid("state", "is not a state"))?)
            }
        };
        let account: Option<AccountId> = field::optional_id("account_id", &request.account_id)?;
        let conversation: Option<ConversationId> = field::optional_id("conversation_id", &request.conversation_id)?;
        if state == Some(MessageState::Scheduled) {
            return self.list_scheduled(&caller, &request, account, conversation).await;
        }
        let page = Page::<Uuid>::asked(caller.tenant(), &request)?;
        let now = self.tools.clock.now();
        // Whatever another replica's clock gave a moment ahead of this one's is on the first page, too.
        let before = page.after.unwrap_or_else(|| MessageId::new(now + TimeDelta::minutes(10)).uuid());
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        field::known_accounts(&mut tx, account.map(AccountId::uuid).as_slice()).await?;
        let sight = caller.sight();
        self.known_conversation(&mut tx, conversation, &sight).await?;
        let outbound = Outbound { state, account, conversation, before, limit: page.rows() };
        let (found, next_page_token) = self.outbound_page(&mut tx, &page, outbound, &sight).await?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::ListOutboundMessagesResponse {
            next_page_token,
            messages: found.iter().map(|message| to_wire::message(message, false)).collect(),
        }))
    }

    async fn reschedule_message(
        &self,
        request: Request<wire::RescheduleMessageRequest>,
    ) -> Result<Response<wire::RescheduleMessageResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let id = field::id("message_id", &request.message_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = self.outbound(&mut tx, id, &caller.sight()).await?;
        self.reschedule(&mut tx, &caller, &found, &request).await?;
        let found = self.message(&mut tx, id, &Sight::Everything).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::RescheduleMessageResponse { message: Some(to_wire::message(&found, false)) }))
    }

    async fn cancel_message(
        &self,
        request: Request<wire::CancelMessageRequest>,
    ) -> Result<Response<wire::CancelMessageResponse>, Status> {
        let caller = Caller::of(&request);
        let id = field::id("message_id", &request.get_ref().message_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = self.outbound(&mut tx, id, &caller.sight()).await?;
        if found.state != MessageState::Cancelled {
            conversation::lock_of(&mut tx, &[id.uuid()]).await.map_err(refuse::database)?;
            let settled = if let Some(withdrawn) = self.withdraw(&mut tx, id).await? {
                withdrawn
            } else {
                let taken = settle::take_back(&mut tx, found.account, found.class, id).await;
                let TakenBack::Cancelled(settled) = taken.map_err(refuse::database)? else {
                    return Err(refuse::precondition("MESSAGE_SETTLED", "the message is on its way or settled"));
                };
                settled
            };
            self.tell(&mut tx, &settled).await?;
            let subject = format!("message/{id}");
            audit::record(&mut tx, &Actor::of(&caller), "message.cancel", &subject, serde_json::json!({}))
                .await
                .map_err(refuse::database)?;
        }
        let found = self.message(&mut tx, id, &Sight::Everything).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::CancelMessageResponse { message: Some(to_wire::message(&found, false)) }))
    }

    async fn settle_message(
        &self,
        request: Request<wire::SettleMessageRequest>,
    ) -> Result<Response<wire::SettleMessageResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let id = field::id("message_id", &request.message_id)?;
        let mut violations = Violations::new();
        violations.check(request.note.chars().count() <= LONGEST_NOTE, "note", "is longer than 500 characters");
        violations.check(!request.note.contains('\0'), "note", "contains U+0000");
        violations.finish()?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = self.outbound(&mut tx, id, &caller.sight()).await?;
        let settled = || refuse::precondition("MESSAGE_SETTLED", "the message is not uncertain");
        let to = found.state.settled(request.arrived).ok_or_else(settled)?;
        if to != found.state {
            conversation::lock_of(&mut tx, &[id.uuid()]).await.map_err(refuse::database)?;
            if !message::settle(&mut tx, id, to, &request.note).await.map_err(refuse::database)? {
                return Err(settled());
            }
            let changed = Settled {
                message: id,
                conversation: found.conversation,
                account: found.account,
                class: found.class,
                state: to,
            };
            self.tell(&mut tx, &changed).await?;
            let detail = serde_json::json!({ "arrived": request.arrived, "noted": !request.note.is_empty() });
            audit::record(&mut tx, &Actor::of(&caller), "message.settle", &format!("message/{id}"), detail)
                .await
                .map_err(refuse::database)?;
        }
        let found = self.message(&mut tx, id, &Sight::Everything).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::SettleMessageResponse { message: Some(to_wire::message(&found, false)) }))
    }

    type FetchContentStream = ContentStream;

    async fn fetch_content(
        &self,
        request: Request<wire::FetchContentRequest>,
    ) -> Result<Response<ContentStream>, Status> {
        let caller = Caller::of(&request);
        let id = field::id("message_id", &request.get_ref().message_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        self.message(&mut tx, id, &caller.sight()).await?;
        tx.rollback().await.map_err(refuse::database)?;
        let stream = super::content::open(self.database(), caller.tenant(), id).await?;
        Ok(Response::new(stream))
    }
}

impl Desk {
    /// Checks a message and queues it in the transaction, or keeps it until the time it is planned for.
    async fn take_in(
        &self,
        tx: &mut TenantTx,
        caller: &Caller,
        request: &wire::SendMessageRequest,
        plan: Option<Schedule>,
    ) -> Result<MessageId, Status> {
        let id: ConversationId = field::id("conversation_id", &request.conversation_id)?;
        let policy = match wire::SendPolicy::try_from(request.policy) {
            Ok(wire::SendPolicy::Unspecified | wire::SendPolicy::ReplyFirst) => SendPolicy::ReplyFirst,
            Ok(wire::SendPolicy::PushOnly) => SendPolicy::PushOnly,
            Ok(wire::SendPolicy::ReplyOnly) => SendPolicy::ReplyOnly,
            Err(_) => return Err(refuse::invalid("policy", "is not a policy")),
        };
        let to = self.conversation(tx, id, &caller.sight()).await?;
        let what = outgoing::read(tx, id, request.content.as_ref()).await?;
        to.may_send().map_err(|barrier| refuse::precondition(barrier.reason(), &barrier.to_string()))?;
        let now = queue_time(to.last_message_time, self.tools.clock.now());
        let message = MessageId::new(now);
        let entry = Entry {
            message,
            conversation: id,
            account: to.account,
            class: route::CONVERSATION,
            policy,
            silent: request.notification_disabled,
            time: plan.map_or(now, |plan| plan.send_time),
            principal: Some(caller.principal().uuid()),
            staff: caller.staff().map(|staff| (staff.id.uuid(), staff.display_name.as_str())),
            quotes: what.quotes,
            object: &what.object,
            trace: chassis::trace::current(),
            wait: None,
            expire: None,
        };
        let mut detail = serde_json::json!({ "conversation_id": id.to_string(), "policy": policy.code() });
        if let Some(plan) = plan {
            detail["send_time"] = serde_json::json!(plan.send_time);
            self.keep(tx, &entry, plan).await?;
        } else {
            self.queue(tx, &entry).await?;
        }
        audit::record(tx, &Actor::of(caller), "message.send", &format!("message/{message}"), detail)
            .await
            .map_err(refuse::database)?;
        Ok(message)
    }

    async fn queue(&self, tx: &mut TenantTx, entry: &Entry<'_>) -> Result<(), Status> {
        send_queue::insert(tx, std::slice::from_ref(entry)).await.map_err(refuse::database)?;
        // Whoever is answered by hand waits no more (F-29).
        put_off::clear(tx, entry.conversation).await.map_err(refuse::database)?;
        let changed = conversation::wrote(tx, entry.conversation, entry.message, entry.time).await;
        let changed = changed.map_err(refuse::database)?;
        change::note(tx, &self.tools.wakes, &[changed]).await.map_err(refuse::database)?;
        change::announce(tx, &changed, entry.time).await.map_err(|error| refuse::internal(&error))?;
        let key = AccountKey { tenant: tx.tenant(), account: entry.account };
        self.tools.wakes.after(tx, Wake::Queue(key));
        Ok(())
    }

    async fn sent(&self, caller: &Caller, id: MessageId) -> Result<Response<wire::SendMessageResponse>, Status> {
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = self.message(&mut tx, id, &caller.sight()).await?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::SendMessageResponse { message: Some(to_wire::message(&found, false)) }))
    }

    /// Tells watchers and other services that a message changed its state.
    pub(super) async fn tell(&self, tx: &mut TenantTx, settled: &Settled) -> Result<(), Status> {
        for changed in conversation::bump(tx, &[*settled]).await.map_err(refuse::database)? {
            change::note(tx, &self.tools.wakes, &[changed]).await.map_err(refuse::database)?;
        }
        let now = self.tools.clock.now();
        change::announce_states(tx, &[*settled], now).await.map_err(|error| refuse::internal(&error))
    }
}
