//! Conversations put off, and done with (F-29).

use chassis::audit::{self, Actor};
use chassis::auth::Caller;
use chassis::grpc::refuse;
use kernel::ConversationId;
use tonic::Status;

use super::{Desk, field};
use crate::change;
use crate::postgres::conversation::Conversation;
use crate::postgres::put_off;

impl Desk {
    /// Puts a conversation off, or says that it is done with; that it stands so already changes nothing.
    pub(super) async fn put_off(&self, caller: &Caller, id: &str, off: bool) -> Result<Conversation, Status> {
        let (sight, now) = (caller.sight(), self.tools.clock.now());
        let id: ConversationId = field::id("conversation_id", id)?;
        let mut tx = self.database().tenant(caller.tenant()).await.map_err(refuse::database)?;
        self.conversation(&mut tx, id, &sight).await?;
        let changed = if off { put_off::put_off(&mut tx, id, now).await } else { put_off::clear(&mut tx, id).await };
        if let Some(changed) = changed.map_err(refuse::database)? {
            change::note(&mut tx, &self.tools.wakes, &[changed]).await.map_err(refuse::database)?;
            change::announce(&mut tx, &changed, now).await.map_err(|error| refuse::internal(&error))?;
            let action = if off { "conversation.put_off" } else { "conversation.clear_put_off" };
            audit::record(&mut tx, &Actor::of(caller), action, &format!("conversation/{id}"), serde_json::json!({}))
                .await
                .map_err(refuse::database)?;
        }
        let now = self.conversation(&mut tx, id, &sight).await?;
        tx.commit().await.map_err(refuse::database)?;
        Ok(now)
    }
}
