//! Everything the services keep of a tenant, row by row.

use std::collections::BTreeMap;

use kernel::TenantId;
use sqlx::{AssertSqlSafe, PgConnection};
use tests::consumers;
use tsunagi::stage::until;

/// The rows of each table, in their order.
pub(super) type Dump = BTreeMap<String, Vec<String>>;

/// Tables that a lively day must have filled, or nothing would be shown by their being the same.
pub(super) const INBOUND: [&str; 8] = [
    "identity.friendship",
    "identity.link",
    "identity.link_attempt",
    "messaging.conversation",
    "messaging.message",
    "messaging.tombstone",
    "messaging.content",
    "messaging.friendship_replica",
];

/// What tells how work went on and not how things stand: who did what when, queues, claims, what was handled and published.
const WORK: [&str; 14] = [
    "inbox",
    "outbox",
    "outbox_pending",
    "outbox_published",
    "request",
    "audit",
    "rebuild",
    "conversation_change",
    "profile_request",
    "placing",
    "lane",
    "group_name_job",
    "content_job",
    "account_check",
];

/// Columns that rise with every change, and when something was looked at.
const COUNTERS: &str = "'{version,changed,read_time,update_time,due,due_time,check_time}'::text[]";

/// Everything that identity-linking, messaging-outbox and scheduler keep of a tenant.
pub(super) async fn dump(admin: &mut PgConnection, tenant: TenantId) -> anyhow::Result<Dump> {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relnamespace::regnamespace::text, c.relname::text FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('identity', 'messaging', 'scheduler')
         ORDER BY 1, 2",
    )
    .fetch_all(&mut *admin)
    .await?;
    let mut dump = Dump::new();
    for (schema, table) in tables.into_iter().filter(|(_, table)| !WORK.contains(&table.as_str())) {
        let text =
            format!("SELECT (to_jsonb(t) - {COUNTERS})::text FROM {schema}.{table} t WHERE tenant_id = $1 ORDER BY 1");
        let rows = sqlx::query_scalar(AssertSqlSafe(text)).bind(tenant.uuid()).fetch_all(&mut *admin).await?;
        dump.insert(format!("{schema}.{table}"), rows);
    }
    Ok(dump)
}

/// That both hold the same; tells the tables and rows that do not.
pub(super) fn same(found: &Dump, expected: &Dump) {
    for (table, rows) in expected {
        let others = &found[table];
        let new: Vec<&String> = others.iter().filter(|row| !rows.contains(row)).collect();
        let gone: Vec<&String> = rows.iter().filter(|row| !others.contains(row)).collect();
        assert!(others == rows, "{table}\nnew: {new:#?}\ngone: {gone:#?}");
    }
}

/// Waits until identity-linking and messaging-outbox have handled every event of the tenant, and so many that were told again, and
/// nothing that follows from it is left to be done, nor anything left to be erased. What was taken back may have been cut out before
/// anybody was told.
pub(super) async fn handled(admin: &mut PgConnection, tenant: TenantId, again: i64) -> anyhow::Result<()> {
    until(super::SOON, async || {
        let (unhandled, copies, left) = sqlx::query_as::<_, (i64, Vec<i64>, i64)>(
            "WITH handled AS (
                 SELECT consumer, event_key FROM identity.inbox WHERE tenant_id = $1 AND consumer = $2
                 UNION ALL SELECT consumer, event_key FROM messaging.inbox WHERE tenant_id = $1 AND consumer = $3
             ), seen AS (
                 SELECT event_id, event_type <> 'unsend' AND message_id IN
                     (SELECT message_id FROM ingest.erasure WHERE tenant_id = $1) AS cut
                 FROM ingest.seen_event WHERE tenant_id = $1
             ), named (consumer) AS (VALUES ($2), ($3))
             SELECT (SELECT count(*) FROM seen, named WHERE cut IS NOT TRUE AND NOT EXISTS
                         (SELECT FROM handled WHERE event_key = event_id AND handled.consumer = named.consumer)),
                 ARRAY(SELECT (SELECT count(*) FROM handled WHERE handled.consumer = named.consumer
                                   AND NOT EXISTS (SELECT FROM seen WHERE event_id = event_key)) FROM named),
                 (SELECT count(*) FROM identity.outbox_pending WHERE tenant_id = $1)
                     + (SELECT count(*) FROM messaging.outbox_pending WHERE tenant_id = $1)
                     + (SELECT count(*) FROM messaging.content_job WHERE tenant_id = $1)
                     + (SELECT count(*) FROM messaging.group_name_job WHERE tenant_id = $1)
                     + (SELECT count(*) FROM messaging.placing WHERE tenant_id = $1)
                     + (SELECT count(*) FROM identity.profile_request WHERE tenant_id = $1 AND due_time < 'infinity')
                     + (SELECT count(*) FROM ingest.erasure WHERE tenant_id = $1 AND looks = 0 AND due_at < 'infinity')",
        )
        .bind(tenant.uuid())
        .bind(consumers::IDENTITY_LINKING)
        .bind(consumers::MESSAGING_OUTBOX)
        .fetch_one(&mut *admin)
        .await
        .map_err(|error| error.to_string())?;
        if (unhandled, left) == (0, 0) && copies == [again, again] {
            Ok(())
        } else {
            Err(format!("{unhandled} events are not handled; of {again} copies {copies:?} are; {left} things are left to be done"))
        }
    })
    .await
}

/// Has both forget that they handled any event of the tenant.
pub(super) async fn forget_handled(admin: &mut PgConnection, tenant: TenantId) -> anyhow::Result<()> {
    let both = [consumers::IDENTITY_LINKING, consumers::MESSAGING_OUTBOX];
    for forget in [
        "DELETE FROM identity.inbox WHERE tenant_id = $1 AND consumer = ANY ($2)",
        "DELETE FROM messaging.inbox WHERE tenant_id = $1 AND consumer = ANY ($2)",
    ] {
        sqlx::query(forget).bind(tenant.uuid()).bind(both).execute(&mut *admin).await?;
    }
    Ok(())
}
