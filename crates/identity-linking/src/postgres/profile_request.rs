//! Whose profile LINE is to be asked for. Due times go by the database's clock.

use chassis::postgres::TenantTx;
use chassis::work_queue::WorkQueue;
use kernel::{AccountId, FriendId};

/// The requests; a job is about a LINE user. One whose account is not connected is due at the end of time.
pub(crate) const JOBS: WorkQueue =
    WorkQueue { table: "identity.profile_request", subject: "friend_id", due: "due_time", attempts: "tries" };

/// Has LINE asked for the user's profile, through this account, as soon as it can be.
pub(crate) async fn put(tx: &mut TenantTx, friend: FriendId, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.profile_request (tenant_id, friend_id, account_id, due_time, tries)
         VALUES ($1, $2, $3, now(), 0)
         ON CONFLICT (tenant_id, friend_id) DO UPDATE
         SET account_id = EXCLUDED.account_id, due_time = now(), tries = 0, claim = NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes the requests due that waited for the account to be connected; how many.
pub(crate) async fn wake(tx: &mut TenantTx, account: AccountId) -> Result<u64, sqlx::Error> {
    let woken = sqlx::query(
        "UPDATE identity.profile_request SET due_time = now(), tries = 0, claim = NULL
         WHERE tenant_id = $1 AND account_id = $2 AND due_time = 'infinity'",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(woken.rows_affected())
}
