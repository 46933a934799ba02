//! The statements of a group commit. Repeating one with the same bodies changes nothing.

use std::collections::HashMap;
use std::time::Duration;

use kernel::{BodyId, Timestamp};
use sqlx::{PgConnection, Row};
use uuid::Uuid;
use webhook_ingest_core::{Event, QuarantineReason};

use crate::publish::{Done, delete};
use crate::taken::{Committed, Taken};

/// One statement, one commit: event IDs nobody saw before, the bodies that have one, a row that says that they are to be
/// published, and rows of commits that have been. Sorted by event, so that two commits never wait for each other in a circle.
/// A body that is stored already has no new event, so it needs no conflict rule of its own; `IS TRUE` keeps the planner from
/// making a join of what a hash of a few IDs answers.
const STORE: &str = "
WITH seen AS (
    INSERT INTO ingest.seen_event (tenant_id, account_id, event_id, body_id, occurred_at, place, event_type)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[], $7::text[])
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, body_id, place
), stored AS (
    INSERT INTO ingest.body (tenant_id, body_id, account_id, verified_at, trace, payload)
    SELECT * FROM unnest($8::uuid[], $9::uuid[], $10::uuid[], $11::timestamptz[], $12::text[], $13::bytea[])
        AS taken (tenant_id, body_id, account_id, verified_at, trace, payload)
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

const QUARANTINE: &str = "
INSERT INTO ingest.quarantined_body (tenant_id, body_id, account_id, verified_at, reason, payload)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bytea[])
ON CONFLICT DO NOTHING";

/// How the reason is written in the table.
pub(crate) const fn reason_name(reason: QuarantineReason) -> &'static str {
    match reason {
        QuarantineReason::WrongDestination => "wrong_destination",
        QuarantineReason::Unreadable => "unreadable",
        QuarantineReason::OutsideWindow => "outside_window",
    }
}

/// Stores the bodies, marks `done` as published, and tells what nobody had seen before.
pub(super) async fn store(
    connection: &mut PgConnection,
    bodies: &[&Taken],
    batch: Uuid,
    lease: Duration,
    done: &Done,
) -> Result<Committed, sqlx::Error> {
    quarantine(connection, bodies).await?;
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
    let rows = sqlx::query(STORE)
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
        .bind(with_events().map(|body| &*body.payload).collect::<Vec<&[u8]>>())
        .bind(batch)
        .bind(lease.as_secs_f64())
        .bind(done.iter().map(|(tenant, _)| tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(done.iter().map(|(_, batch)| *batch).collect::<Vec<Uuid>>())
        .fetch_all(connection)
        .await?;
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

async fn quarantine(connection: &mut PgConnection, bodies: &[&Taken]) -> Result<(), sqlx::Error> {
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
        .bind(quarantined.iter().map(|(body, _)| &*body.payload).collect::<Vec<&[u8]>>())
        .execute(connection)
        .await?;
    Ok(())
}
