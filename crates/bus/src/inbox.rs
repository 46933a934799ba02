//! The inbox: which events each consumer has taken over. Its row is written in the transaction that handles the event, or keeps it
//! for later, so that an event is handled once however often it comes.

use std::collections::HashSet;

use chassis::postgres::{Database, TenantTx};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// How long an event is remembered, in days: longer than the outbox keeps it for publication, and the stream after that.
const KEPT_DAYS: i32 = 14;

/// An event's ID in 16 bytes: ULIDs and UUIDs as they are, so that new ones lie together in the index; other texts as a hash.
#[must_use]
pub(crate) fn event_key(id: &str) -> Uuid {
    if let Ok(uuid) = Uuid::try_parse(id) {
        return uuid;
    }
    ulid::Ulid::from_string(id)
        .map_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()), |ulid| Uuid::from_u128(ulid.0))
}

/// A consumer's name as a number: FNV-1a, 32 bits.
#[must_use]
pub(crate) fn consumer_number(name: &str) -> i32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    name.bytes().fold(0x811c_9dc5, step).cast_signed()
}

/// Takes events over for a consumer, and returns those that were not taken before. Another transaction that takes the same
/// event at this moment is waited for.
pub(crate) async fn take(
    tx: &mut TenantTx,
    consumer: i32,
    mut events: Vec<Uuid>,
) -> Result<HashSet<Uuid>, sqlx::Error> {
    // In one order everywhere, so that two replicas that take the same events do not lock each other out.
    events.sort_unstable();
    events.dedup();
    let text = format!(
        "INSERT INTO {}.inbox (tenant_id, consumer, event_key) SELECT $1, $2, k FROM unnest($3::uuid[]) k
         ON CONFLICT DO NOTHING RETURNING event_key",
        tx.schema()
    );
    let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(consumer).bind(events);
    Ok(query.fetch_all(&mut **tx).await?.into_iter().collect())
}

/// Forgets some events whose time is over. Whether there may be more.
pub(crate) async fn prune(database: &Database) -> Result<bool, sqlx::Error> {
    let text = format!(
        "DELETE FROM {schema}.inbox WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {schema}.inbox WHERE taken_on < (now() AT TIME ZONE 'UTC')::date - $1 LIMIT 2000))",
        schema = database.schema()
    );
    let pruned = sqlx::query(AssertSqlSafe(text)).bind(KEPT_DAYS).execute(database.worker()).await?;
    Ok(pruned.rows_affected() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_ids_keep_their_128_bits_and_others_are_hashed() {
        let uuid = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(event_key(uuid).to_string(), uuid);
        assert_eq!(event_key("01H810YMJDKAWAW6MGYXSXMF7H"), event_key("01h810ymjdkawaw6mgyxsxmf7h"));
        assert_ne!(event_key("anything"), event_key("anything else"));
        assert_ne!(consumer_number("messaging.line_webhook"), consumer_number("messaging.identity"));
        assert_eq!(consumer_number(""), 0x811c_9dc5_u32.cast_signed());
    }

    proptest! {
        #[test]
        fn keys_sort_as_ulids_do(a: u128, b: u128) {
            let key = |n: u128| event_key(&ulid::Ulid(n).to_string());
            prop_assert_eq!(a.cmp(&b), key(a).cmp(&key(b)));
        }

        #[test]
        fn any_text_has_one_key(id in ".{0,60}") {
            prop_assert_eq!(event_key(&id), event_key(&id));
        }
    }
}
