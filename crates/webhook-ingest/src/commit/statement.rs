//! The statements of a group commit. Repeating one with the same bodies changes nothing.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use chassis::envelope::EnvelopeError;
use kernel::{BodyId, Timestamp};
use line_types::id::MessageId;
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use webhook_ingest_core::{Event, QuarantineReason};

use crate::forwarding::Lane;
use crate::publish::{Done, delete};
use crate::taken::{Committed, Taken};
use crate::vault::Vault;

/// One statement, one commit: event IDs nobody saw before, what is to be erased because its sender took it back, the bodies that have
/// a new event, a row that says that they are to be published, and rows of commits that have been. Sorted by event, so that two commits never wait for each other in a circle.
/// A body that is stored already has no new event, so it needs no conflict rule of its own; one that holds more than its own new events
/// is noted as shared. `IS TRUE` keeps the planner from making a join of what a hash of a few IDs answers.
const STORE: &str = "
WITH seen AS (
    INSERT INTO ingest.seen_event
        (tenant_id, account_id, event_id, body_id, occurred_at, place, event_type, line_user, message_id)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[], $7::text[],
        $18::uuid[], $19::text[])
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, account_id, event_id, body_id, place, event_type, message_id
), unsent AS (
    INSERT INTO ingest.erasure (tenant_id, erasure_id, account_id, unsend_event_id, message_id)
    SELECT tenant_id, gen_random_uuid(), account_id, event_id, message_id FROM seen
    WHERE event_type = 'unsend' AND message_id IS NOT NULL
), repeated AS (
    SELECT body_id FROM unnest($4::uuid[], $6::smallint[]) AS event (body_id, place)
    WHERE ((body_id, place) IN (SELECT body_id, place FROM seen)) IS NOT TRUE
), stored AS (
    INSERT INTO ingest.body (tenant_id, body_id, account_id, verified_at, trace, payload, shared)
    SELECT tenant_id, body_id, account_id, verified_at, trace, payload,
        is_part OR (body_id IN (SELECT body_id FROM repeated)) IS TRUE
    FROM unnest($8::uuid[], $9::uuid[], $10::uuid[], $11::timestamptz[], $12::text[], $13::bytea[], $20::boolean[])
        AS taken (tenant_id, body_id, account_id, verified_at, trace, payload, is_part)
    WHERE (body_id IN (SELECT body_id FROM seen)) IS TRUE
), queued AS (
    INSERT INTO ingest.publication (tenant_id, batch_id, due_at, body_ids)
    SELECT tenant_id, $14, now() + make_interval(secs => $15), array_agg(DISTINCT body_id) FROM seen GROUP BY tenant_id
), published AS (
    DELETE FROM ingest.publication done
    USING unnest($16::uuid[], $17::uuid[]) AS batch (tenant_id, batch_id)
    WHERE done.tenant_id = batch.tenant_id AND done.batch_id = batch.batch_id
)
SELECT body_id, place FROM seen";

/// What [`STORE`] tells in the end.
const TELL: &str = "
SELECT body_id, place FROM seen";

/// The part of the statement that lets bodies wait for the targets they are forwarded to: in the batch only where one of its accounts
/// may have a target, so that it costs nothing elsewhere. A body without a new event waits for nobody.
const FORWARD: &str = ", forwarded AS (
    INSERT INTO ingest.forwarding (tenant_id, target_id, sender, body_id, lead, senders, signature, size)
    SELECT target.tenant_id, target.target_id, lane.sender, lane.body_id, lane.lead,
        CASE WHEN lane.sender = lane.lead THEN string_to_array(lane.senders, ',')::uuid[] END, lane.signature, lane.size
    FROM unnest($21::uuid[], $22::uuid[], $23::uuid[], $24::uuid[], $25::uuid[], $26::text[], $27::bytea[],
            $28::integer[])
        AS lane (tenant_id, account_id, sender, body_id, lead, senders, signature, size)
    JOIN ingest.forwarding_target target ON target.tenant_id = lane.tenant_id AND target.account_id = lane.account_id
    WHERE (lane.body_id IN (SELECT body_id FROM seen)) IS TRUE
    ON CONFLICT DO NOTHING
)";

static STORE_AND_FORWARD: LazyLock<String> = LazyLock::new(|| STORE.replace(TELL, &[FORWARD, TELL].concat()));

const QUARANTINE: &str = "
INSERT INTO ingest.quarantined_body (tenant_id, body_id, account_id, verified_at, reason, payload, size)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bytea[], $7::integer[])
ON CONFLICT DO NOTHING";

/// How the reason is written in the table.
pub(crate) const fn reason_name(reason: QuarantineReason) -> &'static str {
    match reason {
        QuarantineReason::WrongDestination => "wrong_destination",
        QuarantineReason::Unreadable => "unreadable",
        QuarantineReason::OutsideWindow => "outside_window",
    }
}

/// Stores the bodies, lets them wait in `lanes` to be forwarded, marks `done` as published, and tells what nobody had seen before.
pub(crate) async fn store(
    connection: &mut PgConnection,
    vault: &Vault,
    bodies: &[&Taken],
    batch: Uuid,
    lease: Duration,
    done: &Done,
    lanes: &[Lane<'_>],
) -> Result<Committed, sqlx::Error> {
    quarantine(connection, vault, bodies).await?;
    let mut events: Vec<(&Taken, &Event)> =
        bodies.iter().flat_map(|body| body.events.iter().map(move |event| (*body, event))).collect();
    if events.is_empty() {
        if !done.is_empty() {
            delete(&mut *connection, done).await?;
        }
        return Ok(Committed { batch, bodies: Vec::new() });
    }
    events.sort_by_key(|(body, event)| (body.tenant, body.account, event.id));
    let with_events = || bodies.iter().filter(|body| !body.events.is_empty());
    let column = |of: fn(&(&Taken, &Event)) -> Uuid| events.iter().map(of).collect::<Vec<Uuid>>();
    let mut query = sqlx::query(if lanes.is_empty() { STORE } else { STORE_AND_FORWARD.as_str() })
        .bind(column(|(body, _)| body.tenant.uuid()))
        .bind(column(|(body, _)| body.account.uuid()))
        .bind(column(|(_, event)| Uuid::from_u128(event.id.0)))
        .bind(column(|(body, _)| body.body.uuid()))
        .bind(events.iter().map(|(_, event)| event.occurred_at).collect::<Vec<Timestamp>>())
        .bind(events.iter().map(|(_, event)| i16::try_from(event.place).unwrap_or(i16::MAX)).collect::<Vec<i16>>())
        .bind(events.iter().map(|(_, event)| event.event_type.as_str()).collect::<Vec<&str>>())
        .bind(with_events().map(|body| body.tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(with_events().map(|body| body.body.uuid()).collect::<Vec<Uuid>>())
        .bind(with_events().map(|body| body.account.uuid()).collect::<Vec<Uuid>>())
        .bind(with_events().map(|body| body.verified_at).collect::<Vec<Timestamp>>())
        .bind(
            with_events()
                .map(|body| body.trace.as_ref().map(kernel::TraceParent::as_str))
                .collect::<Vec<Option<&str>>>(),
        )
        .bind(with_events().map(|body| sealed(vault, body)).collect::<Result<Vec<Vec<u8>>, _>>()?)
        .bind(batch)
        .bind(lease.as_secs_f64())
        .bind(done.iter().map(|(tenant, _)| tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(done.iter().map(|(_, batch)| *batch).collect::<Vec<Uuid>>())
        .bind(
            events
                .iter()
                .map(|(body, event)| line_user(vault, body, event))
                .collect::<Result<Vec<Option<Uuid>>, _>>()?,
        )
        .bind(
            events
                .iter()
                .map(|(_, event)| event.message.as_ref().map(MessageId::as_str))
                .collect::<Vec<Option<&str>>>(),
        )
        // What cannot be read of it, or lies outside of the window, is no event here.
        .bind(with_events().map(|body| body.quarantine.is_some()).collect::<Vec<bool>>());
    if !lanes.is_empty() {
        query = query
            .bind(lanes.iter().map(|lane| lane.body.tenant.uuid()).collect::<Vec<Uuid>>())
            .bind(lanes.iter().map(|lane| lane.body.account.uuid()).collect::<Vec<Uuid>>())
            .bind(lanes.iter().map(|lane| Uuid::from_u128(lane.sender.0)).collect::<Vec<Uuid>>())
            .bind(lanes.iter().map(|lane| lane.body.body.uuid()).collect::<Vec<Uuid>>())
            .bind(lanes.iter().map(|lane| Uuid::from_u128(lane.lead.0)).collect::<Vec<Uuid>>())
            .bind(lanes.iter().map(|lane| lane.senders.as_deref()).collect::<Vec<Option<&str>>>())
            .bind(lanes.iter().map(|lane| &lane.signature[..]).collect::<Vec<&[u8]>>())
            .bind(lanes.iter().map(Lane::size).collect::<Vec<i32>>());
    }
    let rows = query.fetch_all(connection).await?;
    Ok(Committed { batch, bodies: only_new(bodies, &rows)? })
}

/// The bodies with the events that the rows (body, place) name.
fn only_new(bodies: &[&Taken], rows: &[sqlx::postgres::PgRow]) -> Result<Vec<Taken>, sqlx::Error> {
    let mut new: HashMap<BodyId, Vec<u16>> = HashMap::with_capacity(bodies.len());
    for row in rows {
        let body = BodyId::from(row.try_get::<Uuid, _>(0)?);
        new.entry(body).or_default().push(u16::try_from(row.try_get::<i16, _>(1)?).unwrap_or(u16::MAX));
    }
    // `remove`: a body that stands in the batch twice, because two ways brought it, counts once.
    let narrowed = |body: &&&Taken| {
        let places = new.remove(&body.body)?;
        let mut events = body.events.clone();
        events.retain(|event| places.contains(&event.place));
        Some(Taken { events, ..Taken::clone(body) })
    };
    Ok(bodies.iter().collect::<Vec<_>>().iter().filter_map(narrowed).collect())
}

/// A body as it is kept.
fn sealed(vault: &Vault, body: &Taken) -> Result<Vec<u8>, sqlx::Error> {
    vault.seal(body.tenant, body.body, &body.payload).map_err(unsealed)
}

/// What its sender is known by in the archive.
fn line_user(vault: &Vault, body: &Taken, event: &Event) -> Result<Option<Uuid>, sqlx::Error> {
    event.user.as_ref().map(|user| vault.line_user(body.tenant, user)).transpose().map_err(unsealed)
}

/// Its tenant's key is not known: a value that cannot be written.
pub(crate) fn unsealed(error: EnvelopeError) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}

async fn quarantine(connection: &mut PgConnection, vault: &Vault, bodies: &[&Taken]) -> Result<(), sqlx::Error> {
    let mut quarantined: Vec<(&Taken, QuarantineReason)> =
        bodies.iter().filter_map(|body| Some((*body, body.quarantine?))).collect();
    // In one order, as events: several may store the same bodies at once.
    quarantined.sort_by_key(|(body, _)| (body.tenant, body.body));
    if quarantined.is_empty() {
        return Ok(());
    }
    sqlx::query(QUARANTINE)
        .bind(quarantined.iter().map(|(body, _)| body.tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(quarantined.iter().map(|(body, _)| body.body.uuid()).collect::<Vec<Uuid>>())
        .bind(quarantined.iter().map(|(body, _)| body.account.uuid()).collect::<Vec<Uuid>>())
        .bind(quarantined.iter().map(|(body, _)| body.verified_at).collect::<Vec<Timestamp>>())
        .bind(quarantined.iter().map(|(_, reason)| reason_name(*reason)).collect::<Vec<&str>>())
        .bind(quarantined.iter().map(|(body, _)| sealed(vault, body)).collect::<Result<Vec<Vec<u8>>, _>>()?)
        .bind(
            quarantined
                .iter()
                .map(|(body, _)| i32::try_from(body.payload.len()).unwrap_or(i32::MAX))
                .collect::<Vec<i32>>(),
        )
        .execute(connection)
        .await?;
    Ok(())
}
