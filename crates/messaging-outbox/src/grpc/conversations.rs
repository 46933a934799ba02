//! Conversations: listed, read, marked as read. How they are watched is in [`super::watch`], how they are put off in
//! [`super::put_off`].

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use chassis::page::Page;
use contracts::messaging::v1 as wire;
use contracts::messaging::v1::conversation_service_server::ConversationService;
use kernel::{ConversationId, MessageId, Sight, Timestamp};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::wire::{self as to_wire, sees_line_user_ids};
use super::{Desk, field, watch};
use crate::change;
use crate::postgres::conversation::{self, Listing};
use crate::postgres::{message, placing, waiting};

/// Where a page of conversations, messages or digests ended.
pub(super) type Position = (Timestamp, Uuid);

#[tonic::async_trait]
impl ConversationService for Desk {
    async fn list_conversations(
        &self,
        request: Request<wire::ListConversationsRequest>,
    ) -> Result<Response<wire::ListConversationsResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let (page, sight) = (Page::<Position>::asked(caller.tenant(), &request)?, caller.sight());
        let mut listing = Listing {
            accounts: field::accounts(&request.account_ids)?,
            unread_only: request.unread_only,
            put_off_only: request.put_off_only,
            organizations: sight.limits().map(|of| of.iter().map(|id| id.uuid()).collect()),
            customer: field::optional_id("customer_id", &request.customer_id)?,
            after: page.after,
            limit: page.rows(),
        };
        let mut tx = self.database().tenant_planning_anew(caller.tenant()).await.map_err(refuse::database)?;
        field::known_accounts(&mut tx, &listing.accounts).await?;
        field::known_customer(&mut tx, listing.customer).await?;
        if listing.customer.is_some() {
            self.open_line_tab(&mut tx).await?;
        }
        if listing.organizations.is_none() && (listing.unread_only || listing.put_off_only) {
            // What waits is found along the index of what waits, organization by organization.
            let waiting = waiting::organizations(&mut tx).await.map_err(refuse::database)?;
            listing.organizations = Some(waiting.into_iter().map(placing::kept).collect());
        }
        let found = conversation::list(&mut tx, &listing, self.tools.clock.now()).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        let (mut found, next_page_token) = page.cut(found, |last| (last.activity_time, last.id.uuid()));
        // Whose a conversation is may have changed a moment ago.
        found.retain(|one| sight.takes_in(one.organization));
        Ok(Response::new(wire::ListConversationsResponse {
            next_page_token,
            conversations: found.iter().map(to_wire::conversation).collect(),
        }))
    }

    async fn get_conversation(
        &self,
        request: Request<wire::GetConversationRequest>,
    ) -> Result<Response<wire::GetConversationResponse>, Status> {
        let caller = Caller::of(&request);
        let id = field::id("conversation_id", &request.get_ref().conversation_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let found = self.conversation(&mut tx, id, &caller.sight()).await?;
        tx.rollback().await.map_err(refuse::database)?;
        Ok(Response::new(wire::GetConversationResponse { conversation: Some(to_wire::conversation(&found)) }))
    }

    async fn list_messages(
        &self,
        request: Request<wire::ListMessagesRequest>,
    ) -> Result<Response<wire::ListMessagesResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let page = Page::<Position>::asked(caller.tenant(), &request)?;
        let id: ConversationId = field::id("conversation_id", &request.conversation_id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        let conversation = self.conversation(&mut tx, id, &caller.sight()).await?;
        let found = message::list(&mut tx, conversation.id, page.after, page.rows()).await.map_err(refuse::database)?;
        tx.rollback().await.map_err(refuse::database)?;
        let (found, next_page_token) = page.cut(found, |last| (last.time, last.id.uuid()));
        Ok(Response::new(wire::ListMessagesResponse {
            next_page_token,
            messages: found.iter().map(|message| to_wire::message(message, sees_line_user_ids(&caller))).collect(),
        }))
    }

    async fn mark_read(
        &self,
        request: Request<wire::MarkReadRequest>,
    ) -> Result<Response<wire::MarkReadResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let id: ConversationId = field::id("conversation_id", &request.conversation_id)?;
        let up_to: Option<MessageId> = field::optional_id("up_to_message_id", &request.up_to_message_id)?;
        let sight = caller.sight();
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        if sight != Sight::Everything {
            self.conversation(&mut tx, id, &sight).await?;
        }
        let up_to = match up_to {
            None => None,
            Some(message) => {
                let found = message::read(&mut tx, &[message]).await.map_err(refuse::database)?;
                let of_it = found.into_iter().find(|found| found.conversation == id);
                Some(of_it.map(|found| (found.time, found.id)).ok_or_else(|| refuse::not_found("MESSAGE"))?)
            }
        };
        let marked = conversation::mark_read(&mut tx, id, up_to).await.map_err(refuse::database)?;
        let changed = marked.ok_or_else(|| refuse::not_found("CONVERSATION"))?;
        change::note(&mut tx, &self.tools.wakes, &[changed]).await.map_err(refuse::database)?;
        change::announce(&mut tx, &changed, self.tools.clock.now()).await.map_err(|error| refuse::internal(&error))?;
        let detail =
            serde_json::json!({ "up_to_message_id": request.up_to_message_id, "unread_count": changed.unread_count });
        audit::record(&mut tx, &Actor::of(&caller), "conversation.mark_read", &format!("conversation/{id}"), detail)
            .await
            .map_err(refuse::database)?;
        let now = self.conversation(&mut tx, id, &sight).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(Response::new(wire::MarkReadResponse { conversation: Some(to_wire::conversation(&now)) }))
    }

    async fn put_off_conversation(
        &self,
        request: Request<wire::PutOffConversationRequest>,
    ) -> Result<Response<wire::PutOffConversationResponse>, Status> {
        let caller = Caller::of(&request);
        let now = self.put_off(&caller, &request.get_ref().conversation_id, true).await?;
        Ok(Response::new(wire::PutOffConversationResponse { conversation: Some(to_wire::conversation(&now)) }))
    }

    async fn clear_put_off(
        &self,
        request: Request<wire::ClearPutOffRequest>,
    ) -> Result<Response<wire::ClearPutOffResponse>, Status> {
        let caller = Caller::of(&request);
        let now = self.put_off(&caller, &request.get_ref().conversation_id, false).await?;
        Ok(Response::new(wire::ClearPutOffResponse { conversation: Some(to_wire::conversation(&now)) }))
    }

    type WatchConversationsStream = watch::WatchStream;

    async fn watch_conversations(
        &self,
        request: Request<wire::WatchConversationsRequest>,
    ) -> Result<Response<watch::WatchStream>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        field::known_accounts(&mut tx, &field::accounts(&request.account_ids)?).await?;
        tx.rollback().await.map_err(refuse::database)?;
        let stream = watch::open(&self.hub, &caller, request).await?;
        Ok(Response::new(stream))
    }
}
