//! What goes with every change, in its transaction: the event that tells it to the others, and the row in the audit trail.

use bus::outbox::{self, OutboxError, Outgoing};
use chassis::audit::{self, Actor};
use chassis::auth::replica::{ReplicaError, put_principal, put_staff};
use chassis::failpoint;
use chassis::postgres::{TenantTx, is_unavailable};
use contracts::events::v1::IdentityEvent;
use contracts::events::v1::identity_event::Body;
use kernel::{EventId, Timestamp};
use serde_json::Value;
use uuid::Uuid;

use crate::vault::VaultError;

/// Why a change was not made although nobody decided against it. The transaction must not be committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The database is away or refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    /// The event could not be appended.
    #[error("the event was not appended")]
    Event(#[source] OutboxError),
    /// This service's own directory could not be told.
    #[error("the directory was not told")]
    Directory(#[source] ReplicaError),
    /// An account's purpose changed while something was decided by it: decided again, it goes the other way.
    #[error("the account's purpose changed meanwhile")]
    Repurposed,
    /// A secret could not be encrypted, read or sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<OutboxError> for ChangeError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Database(error) => Self::Database(error),
            other => Self::Event(other),
        }
    }
}

impl From<ReplicaError> for ChangeError {
    fn from(error: ReplicaError) -> Self {
        match error {
            ReplicaError::Database(error) => Self::Database(error),
            other @ ReplicaError::Malformed(_) => Self::Directory(other),
        }
    }
}

impl ChangeError {
    /// Whether trying again later can help, because the database is away and not the change wrong.
    pub(crate) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(error) if is_unavailable(error))
    }
}

/// One version of one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    /// What it is: `customer`.
    pub(crate) kind: &'static str,
    /// Its ID; for a friendship one that follows from both of its sides.
    pub(crate) id: Uuid,
    /// Its version after the change.
    pub(crate) version: i64,
}

/// Tells the others how something stands after a change; principals and staff are told to this service's own directory too.
pub(crate) async fn announce(
    tx: &mut TenantTx,
    subject: Subject,
    time: Timestamp,
    body: Body,
) -> Result<(), ChangeError> {
    match &body {
        Body::Principal(principal) => {
            let schema = tx.schema();
            put_principal(tx, schema, principal).await?;
        }
        Body::Staff(staff) => {
            put_staff(tx, staff).await?;
        }
        _ => {}
    }
    let Subject { kind, id, version } = subject;
    let event = Outgoing {
        id: EventId::derived(id, &format!("{kind}/{version}")),
        aggregate: &format!("{kind}/{id}"),
        time,
        body: &IdentityEvent { body: Some(body) },
        trace: None,
    };
    failpoint::reached("identity.before_event");
    outbox::append(tx, event).await?;
    failpoint::reached("identity.after_event");
    tx.after_commit(|| failpoint::reached("identity.after_commit"));
    Ok(())
}

/// Notes who made a change, and tells the others how its subject stands.
pub(crate) async fn record(
    tx: &mut TenantTx,
    actor: &Actor,
    action: &'static str,
    subject: Subject,
    time: Timestamp,
    body: Body,
) -> Result<(), ChangeError> {
    note(tx, actor, action, subject, serde_json::json!({ "version": subject.version })).await?;
    announce(tx, subject, time, body).await
}

/// Notes who made a change that the others need not hear of.
pub(crate) async fn note(
    tx: &mut TenantTx,
    actor: &Actor,
    action: &'static str,
    subject: Subject,
    detail: Value,
) -> Result<(), ChangeError> {
    audit::record(tx, actor, action, &format!("{}/{}", subject.kind, subject.id), detail).await?;
    Ok(())
}
