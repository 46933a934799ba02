//! The transactional outbox: an event is a row in the transaction that makes it true, and the relay publishes it afterwards.

use chassis::postgres::TenantTx;
use chassis::trace;
use contracts::EventBody;
use kernel::{EventId, TenantId, Timestamp, TraceParent};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::subject::{Family, Subject};
use crate::wake;

/// The largest event, in bytes: well below what NATS takes in one message.
const LARGEST: usize = 512 * 1024;

/// An event to say once the transaction is committed.
#[derive(Clone, Debug)]
pub struct Outgoing<'a, B> {
    /// Names the event. Derive it from its cause ([`EventId::derived`]) where the cause may come twice.
    pub id: EventId,
    /// What it is about, for instance `message/{uuid}`: events of one aggregate are published in the order they were appended.
    pub aggregate: &'a str,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub body: &'a B,
    /// The trace it belongs to; none: the present one.
    pub trace: Option<&'a TraceParent>,
}

/// An event was not appended. The transaction must not be committed.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The database refused or is away.
    #[error("the outbox cannot be written")]
    Database(#[from] sqlx::Error),
    /// The service does not speak this kind of event.
    #[error("schema {schema} does not say {kind}")]
    NotOurs {
        /// The schema.
        schema: &'static str,
        /// The body's full name.
        kind: String,
    },
    /// The body is too large.
    #[error("an event of {0} bytes is too large")]
    TooLarge(usize),
}

/// Appends an event to the outbox of the transaction's service and tenant ([`TenantTx::is_platform`]: an event of the platform),
/// with its trace. The commit wakes the relay. One round trip.
///
/// # Errors
/// See [`OutboxError`].
pub async fn append<B: EventBody>(tx: &mut TenantTx, event: Outgoing<'_, B>) -> Result<(), OutboxError> {
    append_all(tx, [event]).await
}

/// Appends several events, in this order, in one round trip.
///
/// # Errors
/// See [`OutboxError`].
pub async fn append_all<'a, B: EventBody + 'a>(
    tx: &mut TenantTx,
    events: impl IntoIterator<Item = Outgoing<'a, B>>,
) -> Result<(), OutboxError> {
    let (schema, tenant) = (tx.schema(), tx.tenant());
    let events = events.into_iter().map(|event| (tenant, event));
    let rows = Rows::of(schema, events)?;
    if !rows.ids.is_empty() {
        insert(tx, schema, rows).await?;
        tx.after_commit(move || wake::committed(schema));
    }
    Ok(())
}

/// Appends events of several tenants, in this order, in one round trip, in a transaction of the worker role of `schema`: for whoever
/// works over tenants and says IDs and moments alone. After the commit call [`wake_relay`].
///
/// # Errors
/// See [`OutboxError`].
pub async fn append_over_tenants<'a, B: EventBody + 'a>(
    worker: &mut PgConnection,
    schema: &'static str,
    events: impl IntoIterator<Item = (TenantId, Outgoing<'a, B>)>,
) -> Result<(), OutboxError> {
    let rows = Rows::of(schema, events)?;
    if rows.ids.is_empty() { Ok(()) } else { Ok(insert(worker, schema, rows).await?) }
}

/// Has the relay of `schema` in this process look now: what [`append_over_tenants`] appended is committed.
pub fn wake_relay(schema: &'static str) {
    wake::committed(schema);
}

async fn insert(connection: &mut PgConnection, schema: &'static str, rows: Rows) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!(
        "WITH appended AS (
            INSERT INTO {schema}.outbox (tenant_id, event_id, order_key, time, happened, payload, trace)
            SELECT tenant_id, id, order_key, time, happened, payload, trace
            FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::timestamptz[], $5::text[], $6::bytea[], $7::bytea[])
                WITH ORDINALITY AS e (tenant_id, id, order_key, time, happened, payload, trace, place)
            ORDER BY place
            RETURNING tenant_id, sequence
        ) INSERT INTO {schema}.outbox_pending (tenant_id, sequence) SELECT tenant_id, sequence FROM appended"
    )))
    .bind(rows.tenants)
    .bind(rows.ids)
    .bind(rows.order_keys)
    .bind(rows.times)
    .bind(rows.happened)
    .bind(rows.payloads)
    .bind(rows.traces)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(Default)]
struct Rows {
    tenants: Vec<Uuid>,
    ids: Vec<Uuid>,
    order_keys: Vec<i64>,
    times: Vec<Timestamp>,
    happened: Vec<String>,
    payloads: Vec<Vec<u8>>,
    traces: Vec<Option<Vec<u8>>>,
}

impl Rows {
    fn of<'a, B: EventBody + 'a>(
        schema: &'static str,
        events: impl IntoIterator<Item = (TenantId, Outgoing<'a, B>)>,
    ) -> Result<Self, OutboxError> {
        let family = Family::of_schema(schema);
        if family.is_none_or(|family| family == Family::LineWebhook || family.kind() != B::full_name()) {
            return Err(OutboxError::NotOurs { schema, kind: B::full_name() });
        }
        let present = trace::current();
        let mut rows = Self::default();
        for (tenant, event) in events {
            rows.add(tenant, &event, present.as_ref())?;
        }
        Ok(rows)
    }

    fn add<B: EventBody>(
        &mut self,
        tenant: TenantId,
        event: &Outgoing<'_, B>,
        present: Option<&TraceParent>,
    ) -> Result<(), OutboxError> {
        let payload = event.body.encode_to_vec();
        if payload.len() > LARGEST {
            return Err(OutboxError::TooLarge(payload.len()));
        }
        self.tenants.push(tenant.uuid());
        self.ids.push(event.id.uuid());
        self.order_keys.push(order_key(tenant.uuid(), event.aggregate));
        self.times.push(event.time);
        self.happened.push(event.body.happened());
        self.payloads.push(payload);
        self.traces.push(event.trace.or(present).and_then(trace::pack));
        Ok(())
    }
}

/// The order key of an aggregate: what shares one is published one after the other.
fn order_key(tenant: Uuid, aggregate: &str) -> i64 {
    let (high, low) = Uuid::new_v5(&tenant, aggregate.as_bytes()).as_u64_pair();
    (high ^ low).cast_signed()
}

/// The subject of an outbox row.
pub(crate) fn subject(schema: &str, tenant: Uuid, happened: &str) -> Option<Subject> {
    let tenant = (!tenant.is_nil()).then(|| tenant.into());
    Subject::event(Family::of_schema(schema)?, tenant, happened).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_has_an_order_key_of_its_own_in_each_tenant_and_always_the_same() {
        // Rows that an earlier version wrote may still wait when this one appends behind them.
        assert_eq!(order_key(Uuid::nil(), "friendship/7"), 5_886_314_858_855_266_154);
        let keys = (0..20).flat_map(|tenant| {
            (0..50).map(move |number| order_key(Uuid::from_u128(tenant), &format!("friendship/{number}")))
        });
        assert_eq!(keys.collect::<std::collections::BTreeSet<_>>().len(), 1_000);
    }
}
