//! A proved body on its way to be durable.

use bytes::Bytes;
use kernel::{AccountId, BodyId, TenantId, Timestamp, TraceParent};
use line_types::signature::Signature;
use webhook_ingest_core::{Event, QuarantineReason};

/// A body whose signature was proved, and what of it must be kept before LINE gets its 200. The same body has the same ID
/// however often storing it is tried, so that trying twice stores it once.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The tenant whose key it came to.
    pub(crate) tenant: TenantId,
    /// The account whose key it came to.
    pub(crate) account: AccountId,
    /// Its ID, made when it was verified.
    pub(crate) body: BodyId,
    /// When it was verified.
    pub(crate) verified_at: Timestamp,
    /// The trace of the request it came with.
    pub(crate) trace: Option<TraceParent>,
    /// The bytes, as LINE sent them.
    pub(crate) payload: Bytes,
    /// The signature that proved them; none where it is not known any more, and then they are not forwarded.
    pub(crate) signature: Option<Signature>,
    /// The events to handle once.
    pub(crate) events: Vec<Event>,
    /// Why it is quarantined, if it is.
    pub(crate) quarantine: Option<QuarantineReason>,
}

/// Bodies that one commit made durable, reduced to the events nobody had seen before.
#[derive(Debug)]
pub(crate) struct Committed {
    /// The commit's name in the table of publications.
    pub(crate) batch: uuid::Uuid,
    /// The bodies with their new events only; a body without a new event is not among them.
    pub(crate) bodies: Vec<Taken>,
}

impl Committed {
    /// The tenants it concerns, each once: the rows that stand for it in the table of publications.
    pub(crate) fn tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<TenantId> = self.bodies.iter().map(|body| body.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        tenants
    }
}
