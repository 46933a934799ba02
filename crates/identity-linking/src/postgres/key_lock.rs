//! Locks on what has no row to be locked: names, numbers, LINE user IDs. A key says whose tenant's and what it is.

use chassis::postgres::TenantTx;

/// Waits for whoever holds one of the keys, and holds them until the transaction ends; in one order everywhere, by the number that is
/// locked, so that nobody waits in a circle.
pub(super) async fn take(tx: &mut TenantTx, keys: Vec<String>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "SELECT pg_advisory_xact_lock(number)
         FROM (SELECT hashtextextended(key, 0) AS number FROM unnest($1::text[]) AS k (key) ORDER BY 1) n",
    )
    .bind(keys)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
