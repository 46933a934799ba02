//! How often somebody did something lately: the rows that were kept of it are counted, as far as matters.

use chassis::postgres::TenantTx;
use identity_linking_core::link::{Counted, RateScope};
use kernel::{AccountId, TenantId, Timestamp};
use line_types::id::UserId;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;

/// Counts rows of a table by the column that says when; `$5` and whatever is behind it are for the filter, which says whose.
macro_rules! count_lately {
    ($table:literal, $when:literal, $whose:literal) => {
        concat!(
            "SELECT count(*) FROM (
                 SELECT FROM identity.",
            $table,
            " WHERE tenant_id = $1 AND ",
            $whose,
            " AND ",
            $when,
            " > $2 AND ",
            $when,
            " <= $3 LIMIT $4) lately"
        )
    };
}
pub(super) use count_lately;

/// A statement of [`count_lately`], with all its values but those of the filter.
pub(super) fn lately<'q>(
    statement: &'static str,
    tenant: TenantId,
    scope: RateScope,
    now: Timestamp,
) -> QueryScalar<'q, Postgres, i64, PgArguments> {
    let (from, until) = scope.counted_at(now);
    sqlx::query_scalar(statement).bind(tenant.uuid()).bind(from).bind(until).bind(i64::from(scope.limit()))
}

/// What a LINE user of the staff account, locked, did lately, by a statement whose filter names the account and the user.
pub(super) async fn of_line_user(
    tx: &mut TenantTx,
    statement: &'static str,
    account: AccountId,
    user: &UserId,
    now: Timestamp,
) -> Result<Counted, sqlx::Error> {
    let scope = RateScope::LineUser;
    let query = lately(statement, tx.tenant(), scope, now).bind(account.uuid()).bind(user.as_str());
    Ok(counted(scope, query.fetch_one(&mut **tx).await?))
}

/// What was counted.
pub(super) fn counted(scope: RateScope, number: i64) -> Counted {
    Counted { scope, number: u32::try_from(number).unwrap_or(u32::MAX) }
}
