//! Customers that are like what was typed. Every look-up is by one key and bounded, so that it costs the same among ten thousand
//! customers and among ten million. Whoever is on the whole key is looked up by it: one overlooked among namesakes or under a number
//! that many have would be a guess.

use chassis::postgres::TenantTx;
use identity_linking_core::link::{LinkEndCause, TakeoverState, told_apart};
use identity_linking_core::matching::{Candidate, MAX_CANDIDATES};
use identity_linking_core::{MobileNumber, NameKey, NameKeys};
use kernel::{CustomerId, FriendId, ProviderId};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{key_lock, row};

/// What was typed, as it is compared.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// The name.
    pub(crate) name: NameKeys,
    /// The mobile number, where the method compares it.
    pub(crate) mobile: Option<MobileNumber>,
}

/// Waits for whoever compares, or makes, a customer of the same name or number, so that of two who come at once the later one sees
/// what the earlier did. Held until the transaction ends.
pub(crate) async fn lock_keys(tx: &mut TenantTx, typed: &Typed) -> Result<(), sqlx::Error> {
    let tenant = tx.tenant();
    let mut keys = vec![format!("{tenant}/name/{}", typed.name.variant.as_str())];
    keys.extend(typed.mobile.as_ref().map(|mobile| format!("{tenant}/mobile/{}", mobile.as_str())));
    key_lock::take(tx, keys).await
}

/// Customers on the whole key of a name and a number, and such as are alike in one of them; at most [`MAX_CANDIDATES`] and one
/// more of each kind. Of a name the same ones every time, so that attempts at a crowd of namesakes are counted.
pub(crate) async fn near(tx: &mut TenantTx, typed: &Typed) -> Result<Vec<CustomerId>, sqlx::Error> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        "(SELECT c.customer_id FROM identity.customer_phone p
          CROSS JOIN LATERAL (
              SELECT customer_id FROM identity.customer
              WHERE tenant_id = $1 AND customer_id = p.customer_id AND merged_into IS NULL
                  AND (name_key = $2 OR reading_key = $2 OR ($3 <> '' AND name_key = $3)) LIMIT 1) c
          WHERE p.tenant_id = $1 AND p.number = $5 AND p.e164 AND $2 <> '' LIMIT $6)
         UNION ALL
         (SELECT p.customer_id FROM identity.customer_phone p
          WHERE p.tenant_id = $1 AND p.number = $5 AND p.e164 LIMIT $6)
         UNION ALL
         (SELECT customer_id FROM identity.customer
          WHERE tenant_id = $1 AND name_key = $2 AND $2 <> '' AND merged_into IS NULL ORDER BY customer_id LIMIT $6)
         UNION ALL
         (SELECT customer_id FROM identity.customer
          WHERE tenant_id = $1 AND reading_key = $2 AND $2 <> '' AND merged_into IS NULL ORDER BY customer_id LIMIT $6)
         UNION ALL
         (SELECT customer_id FROM identity.customer
          WHERE tenant_id = $1 AND name_key = $3 AND $3 <> '' AND merged_into IS NULL ORDER BY customer_id LIMIT $6)
         UNION ALL
         (SELECT customer_id FROM identity.customer
          WHERE tenant_id = $1 AND variant_key = $4 AND $4 <> '' AND merged_into IS NULL ORDER BY customer_id LIMIT $6)",
    )
    .bind(tx.tenant().uuid())
    .bind(typed.name.exact.as_str())
    .bind(typed.name.reading.as_ref().map(NameKey::as_str).unwrap_or_default())
    .bind(typed.name.variant.as_str())
    .bind(typed.mobile.as_ref().map(MobileNumber::as_str))
    .bind(i64::try_from(MAX_CANDIDATES + 1).unwrap_or(i64::MAX))
    .fetch_all(&mut **tx)
    .await?;
    let mut ids: Vec<CustomerId> = rows.into_iter().map(CustomerId::from).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Locks customers until the transaction ends, in the order of their IDs.
pub(crate) async fn lock(tx: &mut TenantTx, customers: &[CustomerId]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT FROM identity.customer WHERE tenant_id = $1 AND customer_id = ANY ($2) ORDER BY customer_id FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(customers.iter().map(|customer| customer.uuid()).collect::<Vec<_>>())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How customers are like what was typed, whether each is linked to another LINE user of the provider than `friend`, and whether
/// the two were told apart.
pub(crate) async fn compare(
    tx: &mut TenantTx,
    customers: &[CustomerId],
    typed: &Typed,
    provider: ProviderId,
    friend: FriendId,
) -> Result<Vec<Candidate>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT c.customer_id, c.name_key, c.reading_key, c.variant_key, l.friend_id, k.end_cause, k.undone,
             (SELECT state FROM identity.takeover_request
              WHERE tenant_id = $1 AND customer_id = c.customer_id AND asking_friend_id = $5
                  AND create_time > coalesce(k.create_time, '-infinity')
              ORDER BY create_time DESC, takeover_request_id DESC LIMIT 1) AS last_request,
             EXISTS (SELECT FROM identity.customer_phone p
                     WHERE p.tenant_id = $1 AND p.customer_id = c.customer_id AND p.number = $4 AND p.e164) AS has_mobile
         FROM unnest($2::uuid[]) AS i (id)
         CROSS JOIN LATERAL (
             SELECT * FROM identity.customer
             WHERE tenant_id = $1 AND customer_id = i.id AND merged_into IS NULL LIMIT 1) c
         LEFT JOIN LATERAL (
             SELECT friend_id FROM identity.link
             WHERE tenant_id = $1 AND customer_id = c.customer_id AND provider_id = $3 AND end_time IS NULL LIMIT 1) l ON true
         LEFT JOIN LATERAL (
             SELECT create_time, end_cause, EXISTS (
                 SELECT FROM identity.merge m JOIN identity.link n ON n.tenant_id = $1 AND n.link_id = m.new_link_id
                 WHERE m.tenant_id = $1 AND m.survivor_id = c.customer_id AND m.undo_time >= link.create_time
                     AND n.friend_id = $5) AS undone
             FROM identity.link
             WHERE tenant_id = $1 AND customer_id = c.customer_id AND friend_id = $5
             ORDER BY create_time DESC, link_id DESC LIMIT 1) k ON true",
    )
    .bind(tx.tenant().uuid())
    .bind(customers.iter().map(|customer| customer.uuid()).collect::<Vec<_>>())
    .bind(provider.uuid())
    .bind(typed.mobile.as_ref().map(MobileNumber::as_str))
    .bind(friend.uuid())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| candidate(row, typed, friend)).collect()
}

fn candidate(row: &PgRow, typed: &Typed, friend: FriendId) -> Result<Candidate, sqlx::Error> {
    let key = |column| row.try_get::<String, _>(column).map(NameKey::kept);
    let record = NameKeys {
        exact: key("name_key")?,
        reading: Some(key("reading_key")?).filter(|reading| !reading.is_empty()),
        variant: key("variant_key")?,
    };
    let linked: Option<FriendId> = row::optional_id(row, "friend_id")?;
    let undone: Option<bool> = row::get(row, "undone")?;
    Ok(Candidate {
        customer: row::id(row, "customer_id")?,
        name: typed.name.likeness(&record),
        has_mobile: row::get(row, "has_mobile")?,
        has_other_line_user: linked.is_some_and(|linked| linked != friend),
        told_apart: told_apart(
            row::optional_word(row, "end_cause", LinkEndCause::named)?.zip(undone),
            row::optional_word(row, "last_request", TakeoverState::named)?,
        ),
    })
}
