//! Telling that a conversation changed: watchers, and whoever reads the events.

use bus::outbox::{self, OutboxError, Outgoing};
use chassis::postgres::TenantTx;
use contracts::events::v1::{
    ConversationChanged, MessageStateChange, MessageStatesChanged, MessagingEvent, ScheduledMessageReplica,
    messaging_event::Body,
};
use kernel::{AccountId, ConversationId, EventId, MessageId, Timestamp, TraceParent};
use uuid::Uuid;

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

/// A conversation that was with an organization until a change, and is with another, with nobody, or hidden since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) conversation: ConversationId,
    /// As it is kept: nil where it was nobody's.
    pub(crate) from: Uuid,
}

/// State changes that one event tells at most.
const STATES_AT_ONCE: usize = 500;

/// Notes changes for watchers, in this order and in one statement, and wakes them after the commit.
pub(crate) async fn note(tx: &mut TenantTx, wakes: &Wakes, changed: &[Changed]) -> Result<(), sqlx::Error> {
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO messaging.conversation_change (tenant_id, conversation_id, message_id)
         SELECT $1, conversation_id, message_id
         FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS c (conversation_id, message_id, place) ORDER BY place",
    )
    .bind(tx.tenant().uuid())
    .bind(changed.iter().map(|one| one.conversation.uuid()).collect::<Vec<_>>())
    .bind(changed.iter().map(|one| one.message.map(MessageId::uuid)).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    let tenant = tx.tenant();
    wakes.after(tx, Wake::Change(tenant));
    Ok(())
}

/// Notes for those who watched them that conversations went away, and wakes them after the commit.
pub(crate) async fn note_left(tx: &mut TenantTx, wakes: &Wakes, left: &[Left]) -> Result<(), sqlx::Error> {
    if left.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO messaging.conversation_change (tenant_id, conversation_id, left_organization_id)
         SELECT $1, l.* FROM unnest($2::uuid[], $3::uuid[]) AS l (conversation_id, organization_id)",
    )
    .bind(tx.tenant().uuid())
    .bind(left.iter().map(|one| one.conversation.uuid()).collect::<Vec<_>>())
    .bind(left.iter().map(|one| one.from).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    let tenant = tx.tenant();
    wakes.after(tx, Wake::Change(tenant));
    Ok(())
}

/// Says on the bus that a conversation changed at `now`.
pub(crate) async fn announce(tx: &mut TenantTx, changed: &Changed, now: Timestamp) -> Result<(), OutboxError> {
    announce_all(tx, &[(*changed, now, None)]).await
}

/// Says on the bus that conversations changed: how each stands, when it changed, and the trace that belongs to.
pub(crate) async fn announce_all(
    tx: &mut TenantTx,
    changes: &[(Changed, Timestamp, Option<TraceParent>)],
) -> Result<(), OutboxError> {
    let told = |(changed, time, _): &(Changed, Timestamp, _)| ConversationChanged {
        conversation_id: changed.conversation.to_string(),
        account_id: changed.account.to_string(),
        version: changed.version,
        unread_count: changed.unread_count,
        message_id: changed.message.map(|message| message.to_string()).unwrap_or_default(),
        change_time: Some(contracts::timestamp(*time)),
    };
    let bodies: Vec<(String, MessagingEvent)> = changes
        .iter()
        .map(told)
        .map(|told| (format!("conversation/{}", told.conversation_id), Body::ConversationChanged(told)))
        .map(|(aggregate, body)| (aggregate, MessagingEvent { body: Some(body) }))
        .collect();
    let outgoing = changes.iter().zip(&bodies).map(|((_, time, trace), (aggregate, body))| Outgoing {
        id: EventId::new(*time),
        aggregate,
        time: *time,
        body,
        trace: trace.as_ref(),
    });
    outbox::append_all(tx, outgoing).await
}

/// When a message goes, as scheduler is told: the generation, and the moment; none: it waits for none any more.
pub(crate) type Moment = (MessageId, i64, Option<Timestamp>);

/// Tells scheduler when messages go that wait for their time (F-31).
pub(crate) async fn announce_moments(tx: &mut TenantTx, moments: &[Moment], now: Timestamp) -> Result<(), OutboxError> {
    let told = |(message, generation, send_time): &Moment| ScheduledMessageReplica {
        message_id: message.to_string(),
        generation: *generation,
        send_time: send_time.map(contracts::timestamp),
    };
    let bodies: Vec<(String, MessagingEvent)> = moments
        .iter()
        .map(told)
        .map(|told| (format!("message/{}", told.message_id), Body::ScheduledMessage(told)))
        .map(|(aggregate, body)| (aggregate, MessagingEvent { body: Some(body) }))
        .collect();
    let trace = chassis::trace::current();
    let outgoing = bodies.iter().map(|(aggregate, body)| Outgoing {
        id: EventId::new(now),
        aggregate,
        time: now,
        body,
        trace: trace.as_ref(),
    });
    outbox::append_all(tx, outgoing).await
}

/// Says on the bus that messages changed their state: those of one transaction together.
pub(crate) async fn announce_states(tx: &mut TenantTx, settled: &[Settled], now: Timestamp) -> Result<(), OutboxError> {
    let told = |one: &Settled| MessageStateChange {
        message_id: one.message.to_string(),
        conversation_id: one.conversation.to_string(),
        account_id: one.account.to_string(),
        state: one.state.name().to_owned(),
    };
    let bodies: Vec<MessagingEvent> = settled
        .chunks(STATES_AT_ONCE)
        .map(|some| MessageStatesChanged {
            changes: some.iter().map(told).collect(),
            change_time: Some(contracts::timestamp(now)),
        })
        .map(|changed| MessagingEvent { body: Some(Body::MessageStatesChanged(changed)) })
        .collect();
    let outgoing = |body| Outgoing { id: EventId::new(now), aggregate: "message states", time: now, body, trace: None };
    outbox::append_all(tx, bodies.iter().map(outgoing)).await
}
