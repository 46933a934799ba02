//! How many of each account's friends are known, as of the last day that LINE told of.

use chassis::postgres::TenantTx;
use identity_linking_core::account::Coverage;
use kernel::{AccountId, Timestamp};
use sqlx::postgres::PgRow;

use super::row;

/// Reads what an account's row was joined with; none where LINE has told nothing.
pub(super) fn joined(row: &PgRow) -> Result<Option<Coverage>, sqlx::Error> {
    let number = |column| {
        let number: Option<i64> = row::get(row, column)?;
        u64::try_from(number.unwrap_or_default()).map_err(|error| row::damaged(column, error))
    };
    let Some(as_of) = row::get(row, "as_of_date")? else { return Ok(None) };
    Ok(Some(Coverage { as_of, friends: number("coverage_friends")?, known: number("coverage_known")? }))
}

/// Keeps an account's, in place of one of an earlier day.
pub(crate) async fn put(tx: &mut TenantTx, account: AccountId, coverage: Coverage) -> Result<(), sqlx::Error> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO identity.friend_coverage (tenant_id, account_id, as_of_date, friends, known_friends)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
             SET as_of_date = EXCLUDED.as_of_date, friends = EXCLUDED.friends, known_friends = EXCLUDED.known_friends
             WHERE friend_coverage.as_of_date <= EXCLUDED.as_of_date",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(coverage.as_of)
    .bind(number(coverage.friends))
    .bind(number(coverage.known))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many friends of an account were first heard of at `from` or after it.
pub(crate) async fn count_friends_since(
    tx: &mut TenantTx,
    account: AccountId,
    from: Timestamp,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT count(*) FROM identity.friendship
         WHERE tenant_id = $1 AND account_id = $2 AND first_seen_time >= $3 AND state = 'FRIEND'",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(from)
    .fetch_one(&mut **tx)
    .await
}
