//! Telling that a conversation changed: watchers, and whoever reads the events.

use bus::outbox::{self, OutboxError, Outgoing};
use chassis::postgres::TenantTx;
use contracts::events::v1::{ConversationChanged, MessageStateChanged, MessagingEvent, messaging_event::Body};
use kernel::{AccountId, ConversationId, EventId, MessageId, Timestamp};

use crate::postgres::settle::Settled;
use crate::wake::{Wake, Wakes};

/// A conversation as a change left it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Changed {
    pub(crate) conversation: ConversationId,
    pub(crate) account: AccountId,
    pub(crate) version: i64,
    pub(crate) unread_count: i32,
    pub(crate) message: Option<MessageId>,
}

/// Notes the change for watchers, and wakes them after the commit.
pub(crate) async fn note(tx: &mut TenantTx, wakes: &Wakes, changed: &Changed) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.conversation_change (tenant_id, conversation_id, message_id) VALUES ($1, $2, $3)",
    )
    .bind(tx.tenant().uuid())
    .bind(changed.conversation.uuid())
    .bind(changed.message.map(MessageId::uuid))
    .execute(&mut **tx)
    .await?;
    let tenant = tx.tenant();
    wakes.after(tx, Wake::Change(tenant));
    Ok(())
}

/// Says on the bus that the conversation changed.
pub(crate) async fn announce(tx: &mut TenantTx, changed: &Changed, now: Timestamp) -> Result<(), OutboxError> {
    let body = Body::ConversationChanged(ConversationChanged {
        conversation_id: changed.conversation.to_string(),
        account_id: changed.account.to_string(),
        version: changed.version,
        unread_count: changed.unread_count,
        message_id: changed.message.map(|message| message.to_string()).unwrap_or_default(),
        change_time: Some(contracts::timestamp(now)),
    });
    append(tx, changed.conversation, body, now).await
}

/// Says on the bus that messages changed their state.
pub(crate) async fn announce_states(tx: &mut TenantTx, settled: &[Settled], now: Timestamp) -> Result<(), OutboxError> {
    let bodies: Vec<(String, MessagingEvent)> = settled
        .iter()
        .map(|one| {
            let body = Body::MessageStateChanged(MessageStateChanged {
                message_id: one.message.to_string(),
                conversation_id: one.conversation.to_string(),
                account_id: one.account.to_string(),
                state: one.state.name().to_owned(),
                change_time: Some(contracts::timestamp(now)),
            });
            (aggregate(one.conversation), MessagingEvent { body: Some(body) })
        })
        .collect();
    let outgoing = |(aggregate, body)| Outgoing { id: EventId::new(now), aggregate, time: now, body };
    outbox::append_all(tx, bodies.iter().map(|(aggregate, body)| outgoing((aggregate.as_str(), body)))).await
}

fn aggregate(conversation: ConversationId) -> String {
    format!("conversation/{conversation}")
}

async fn append(tx: &mut TenantTx, of: ConversationId, body: Body, now: Timestamp) -> Result<(), OutboxError> {
    let body = MessagingEvent { body: Some(body) };
    outbox::append(tx, Outgoing { id: EventId::new(now), aggregate: &aggregate(of), time: now, body: &body }).await
}
