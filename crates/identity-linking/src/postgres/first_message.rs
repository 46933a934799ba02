//! First messages of LINE users nobody is linked to, and what they led to (D-2).

use chassis::postgres::TenantTx;
use kernel::{AccountId, FriendId, Timestamp};
use uuid::Uuid;

/// Notes the first message of a LINE user to an account; whether it was the first.
pub(crate) async fn note(
    tx: &mut TenantTx,
    account: AccountId,
    friend: FriendId,
    message_time: Timestamp,
    registers: bool,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO identity.first_message (tenant_id, account_id, friend_id, message_time, registers)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(friend.uuid())
    .bind(message_time)
    .bind(registers)
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The account whose first message is to register a LINE user as soon as there is a name, taken off so that it happens once.
pub(crate) async fn take_registration(
    tx: &mut TenantTx,
    friend: FriendId,
) -> Result<Option<(AccountId, Timestamp)>, sqlx::Error> {
    let taken: Option<(Uuid, Timestamp)> = sqlx::query_as(
        "UPDATE identity.first_message SET registers = false
         WHERE tenant_id = $1 AND friend_id = $2 AND registers RETURNING account_id, message_time",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(taken.map(|(account, time)| (account.into(), time)))
}
