//! Which conversations and messages a caller reaches (F-72): what it may not see is not there for it.

use std::collections::HashSet;

use chassis::grpc::refuse;
use chassis::page::{Page, Part};
use chassis::postgres::TenantTx;
use kernel::{ConversationId, MessageId, Sight};
use tonic::Status;
use uuid::Uuid;

use super::Desk;
use crate::database_clock;
use crate::postgres::conversation::{self, Conversation};
use crate::postgres::message::{self, Message, Outbound};
use crate::postgres::replica;

impl Desk {
    /// A conversation of the transaction's tenant that `sight` takes in.
    pub(super) async fn conversation(
        &self,
        tx: &mut TenantTx,
        id: ConversationId,
        sight: &Sight,
    ) -> Result<Conversation, Status> {
        let found = conversation::read(tx, &[id], self.tools.clock.now()).await.map_err(refuse::database)?;
        let seen = found.into_iter().find(|found| sight.takes_in(found.organization));
        seen.ok_or_else(|| refuse::not_found("CONVERSATION"))
    }

    /// Refuses a conversation that `sight` does not take in.
    pub(super) async fn known_conversation(
        &self,
        tx: &mut TenantTx,
        id: Option<ConversationId>,
        sight: &Sight,
    ) -> Result<(), Status> {
        let Some(id) = id else { return Ok(()) };
        self.conversation(tx, id, sight).await.map(drop)
    }

    /// Refuses what a customer's LINE tab shows, where the tenant's plan does not open it (F-35).
    pub(super) async fn open_line_tab(&self, tx: &mut TenantTx) -> Result<(), Status> {
        let close_time = replica::line_tab_close_time(tx).await.map_err(refuse::database)?;
        let Some(close_time) = close_time else { return Ok(()) };
        if database_clock::now(tx, &self.tools.turn).await.map_err(refuse::database)? < close_time {
            return Ok(());
        }
        Err(refuse::precondition("LINE_TAB_CLOSED_BY_PLAN", "the tenant's plan does not open customers' LINE tabs"))
    }

    /// A message of the transaction's tenant in a conversation that `sight` takes in.
    pub(super) async fn message(&self, tx: &mut TenantTx, id: MessageId, sight: &Sight) -> Result<Message, Status> {
        let found = message::read(tx, &[id]).await.map_err(refuse::database)?;
        let seen = self.seen(tx, found, sight).await?;
        seen.into_iter().next().ok_or_else(|| refuse::not_found("MESSAGE"))
    }

    /// Those of `messages` whose conversations `sight` takes in.
    pub(super) async fn seen(
        &self,
        tx: &mut TenantTx,
        mut messages: Vec<Message>,
        sight: &Sight,
    ) -> Result<Vec<Message>, Status> {
        if *sight == Sight::Everything || messages.is_empty() {
            return Ok(messages);
        }
        let ids: HashSet<ConversationId> = messages.iter().map(|message| message.conversation).collect();
        let ids: Vec<ConversationId> = ids.into_iter().collect();
        let of = conversation::read(tx, &ids, self.tools.clock.now()).await.map_err(refuse::database)?;
        let seen: HashSet<ConversationId> =
            of.iter().filter(|one| sight.takes_in(one.organization)).map(|one| one.id).collect();
        messages.retain(|message| seen.contains(&message.conversation));
        Ok(messages)
    }

    /// An outbound message that `sight` takes in; an inbound one was received, and nothing of it can be taken back or settled.
    pub(super) async fn outbound(&self, tx: &mut TenantTx, id: MessageId, sight: &Sight) -> Result<Message, Status> {
        let found = self.message(tx, id, sight).await?;
        if found.outbound {
            Ok(found)
        } else {
            Err(refuse::precondition("MESSAGE_SETTLED", "the message is an inbound one"))
        }
    }

    /// A page of outbound messages that `sight` takes in.
    pub(super) async fn outbound_page(
        &self,
        tx: &mut TenantTx,
        page: &Page<Uuid>,
        mut outbound: Outbound,
        sight: &Sight,
    ) -> Result<(Vec<Message>, String), Status> {
        let mut part = Part::of(page, sight);
        while let Some(look) = part.look() {
            outbound.limit = look.rows;
            outbound.before = look.after.unwrap_or(outbound.before);
            let found = message::list_outbound(tx, &outbound).await.map_err(refuse::database)?;
            let looked = found.iter().map(|message| message.id.uuid()).collect();
            let seen = self.seen(tx, found, sight).await?;
            part.add(looked, seen);
        }
        Ok(part.cut(|last| last.id.uuid()))
    }
}
