//! Which conversations and messages a caller reaches (F-72): what it may not see is not there for it.

use std::collections::HashSet;

use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use chassis::postgres::TenantTx;
use kernel::{ConversationId, MessageId};
use messaging_outbox_core::visibility::Sight;
use tonic::Status;
use uuid::Uuid;

use super::Desk;
use crate::postgres::conversation::{self, Conversation};
use crate::postgres::message::{self, Message, Outbound};

/// Outbound messages that are looked at in one go for those a staff member sees, and how often for one page.
const LOOKED_AT: i64 = 200;
const LOOKS: usize = 5;

/// What the caller sees: everything, unless it acts for somebody of the staff who is no administrator.
pub(super) fn sight(caller: &Caller) -> Sight {
    let of = |staff: &chassis::auth::ActingStaff| {
        Sight::of_staff(staff.administrator, staff.organization_ids.iter().copied())
    };
    caller.staff().map_or(Sight::Everything, of)
}

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

    /// A page of outbound messages that `sight` takes in. Whoever does not see everything gets what is found among a bounded number
    /// of the latest, and where to go on behind those.
    pub(super) async fn outbound_page(
        &self,
        tx: &mut TenantTx,
        page: &Page<Uuid>,
        mut outbound: Outbound,
        sight: &Sight,
    ) -> Result<(Vec<Message>, String), Status> {
        let wanted = usize::try_from(page.rows()).unwrap_or(usize::MAX);
        if *sight != Sight::Everything {
            outbound.limit = LOOKED_AT;
        }
        let mut seen = Vec::new();
        for _ in 0..LOOKS {
            let found = message::list_outbound(tx, &outbound).await.map_err(refuse::database)?;
            let last = found.last().map(|last| last.id.uuid());
            let full = i64::try_from(found.len()).is_ok_and(|count| count >= outbound.limit);
            seen.extend(self.seen(tx, found, sight).await?);
            if !full || seen.len() >= wanted {
                return Ok(page.cut(seen, |last| last.id.uuid()));
            }
            outbound.before = last.unwrap_or(outbound.before);
        }
        Ok((seen, page.token(&outbound.before)))
    }
}
