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

/// What an event is known by: its own key, and in a rebuild one of that rebuild's, so that whoever handled it before handles it
/// once more, and no key that keeps effects from happening twice is ever given up.
#[must_use]
pub(crate) fn key_of(id: &str, rebuild: Option<Uuid>) -> Uuid {
    let key = event_key(id);
    rebuild.map_or(key, |rebuild| Uuid::new_v5(&rebuild, key.as_bytes()))
}

/// Which of these events the consumer called `consumer` has taken over, handled or kept aside: as they were published for a rebuild, or,
/// without one, as they came first. For as long as the inbox remembers, 14 days.
///
/// # Errors
/// When the database refuses or is away.
pub async fn taken_in<'a>(
    tx: &mut TenantTx,
    consumer: &str,
    event_ids: &[&'a str],
    rebuild: Option<Uuid>,
) -> Result<HashSet<&'a str>, sqlx::Error> {
    if event_ids.is_empty() {
        return Ok(HashSet::new());
    }
    let keys: Vec<Uuid> = event_ids.iter().map(|id| key_of(id, rebuild)).collect();
    let text = format!(
        "SELECT event_key FROM {}.inbox WHERE tenant_id = $1 AND consumer = $2 AND event_key = ANY ($3)",
        tx.schema()
    );
    let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(consumer_number(consumer));
    let taken: HashSet<Uuid> = query.bind(&keys).fetch_all(&mut **tx).await?.into_iter().collect();
    Ok(event_ids.iter().zip(&keys).filter(|(_, key)| taken.contains(key)).map(|(id, _)| *id).collect())
}

/// How many of these events, as they were published for a rebuild, the consumer called `consumer` keeps aside: to be tried again, or
/// as dead letters that nobody has dropped.
///
/// # Errors
/// When the database refuses or is away.
pub async fn kept_aside(
    tx: &mut TenantTx,
    consumer: &str,
    event_ids: &[&str],
    rebuild: Uuid,
) -> Result<i64, sqlx::Error> {
    let keys: Vec<Uuid> = event_ids.iter().map(|id| key_of(id, Some(rebuild))).collect();
    let text = format!(
        "SELECT count(*) FROM {}.parked_message WHERE tenant_id = $1 AND consumer = $2 AND event_key = ANY ($3)
             AND state IN ('due', 'waiting', 'replaying')",
        tx.schema()
    );
    let query = sqlx::query_scalar(AssertSqlSafe(text)).bind(tx.tenant().uuid()).bind(consumer.to_owned());
    query.bind(keys).fetch_one(&mut **tx).await
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
        fn a_rebuild_has_keys_of_its_own(id in ".{1,60}", rebuild: u128, other: u128) {
            let (rebuild, other) = (Uuid::from_u128(rebuild), Uuid::from_u128(other));
            prop_assert_eq!(key_of(&id, None), event_key(&id));
            prop_assert_ne!(key_of(&id, Some(rebuild)), event_key(&id));
            prop_assert_eq!(key_of(&id, Some(rebuild)) == key_of(&id, Some(other)), rebuild == other);
        }

        #[test]
        fn any_text_has_one_key(id in ".{0,60}") {
            prop_assert_eq!(event_key(&id), event_key(&id));
        }
    }
}
