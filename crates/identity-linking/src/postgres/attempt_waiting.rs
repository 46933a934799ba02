//! Attempts that wait for staff: staff are called once to what one LINE user does over and over.

use chassis::postgres::TenantTx;
use kernel::Timestamp;

use super::link_attempt::StoredAttempt;

/// Whether another attempt of the same LINE user on the same account, submitted after `time`, was held and waits for staff. One with a
/// request for a take-over does not count: staff settle that request.
pub(crate) async fn another_waits(
    tx: &mut TenantTx,
    attempt: &StoredAttempt,
    time: Timestamp,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.link_attempt
             WHERE tenant_id = $1 AND friend_id = $2 AND submit_time > $3 AND account_id = $4 AND link_attempt_id <> $5
                 AND outcome = 'HELD' AND review_time IS NULL AND takeover_request_id IS NULL)",
    )
    .bind(tx.tenant().uuid())
    .bind(attempt.friend.uuid())
    .bind(time)
    .bind(attempt.account.uuid())
    .bind(attempt.id.uuid())
    .fetch_one(&mut **tx)
    .await
}
