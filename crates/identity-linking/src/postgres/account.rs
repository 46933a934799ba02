//! Official accounts, and when their former secrets end.

use std::collections::HashMap;

use chassis::postgres::{Database, TenantTx};
use identity_linking_core::Line;
use identity_linking_core::account::{AccountPurpose, AccountState, Coverage, Equipment, OfficialAccount};
use kernel::{AccountId, OrganizationId, ProviderId, TenantId};
use line_types::id::{BotUserId, ChannelId};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::friend_coverage;
use super::row::{self, Position, Stored};

pub(crate) type StoredAccount = Stored<AccountId, OfficialAccount>;

/// An account, which secrets it has, and how many of its friends are known.
#[derive(Clone, Debug)]
pub(crate) struct EquippedAccount {
    /// The account.
    pub(crate) stored: StoredAccount,
    /// Which secrets it has.
    pub(crate) equipment: Equipment,
    /// How many of its friends are known; none while LINE has told nothing.
    pub(crate) coverage: Option<Coverage>,
}

fn stored(row: &PgRow) -> Result<EquippedAccount, sqlx::Error> {
    let bot: Option<&str> = row::get(row, "bot_user_id")?;
    Ok(EquippedAccount {
        coverage: friend_coverage::joined(row)?,
        equipment: Equipment {
            channel_secret: row::get(row, "has_channel_secret")?,
            credential: row::get(row, "has_credential")?,
        },
        stored: Stored {
            id: row::id(row, "account_id")?,
            version: row::get(row, "version")?,
            create_time: row::get(row, "create_time")?,
            value: OfficialAccount {
                provider: row::id(row, "provider_id")?,
                channel_id: row::read(row, "channel_id", ChannelId::parse)?,
                display_name: row::read(row, "display_name", Line::optional)?,
                basic_id: row::read(row, "basic_id", Line::optional)?,
                bot: bot.map(BotUserId::parse).transpose().map_err(|error| row::damaged("bot_user_id", error))?,
                state: row::word(row, "state", AccountState::named)?,
                purpose: row::word(row, "purpose", AccountPurpose::named)?,
                owner_organization: row::optional_id(row, "owner_organization_id")?,
                default_organization: row::optional_id(row, "default_organization_id")?,
                chat_mode: row::read(row, "chat_mode", Line::optional)?,
                chat_mode_time: row::get(row, "chat_mode_time")?,
                connect_time: row::get(row, "connect_time")?,
            },
        },
    })
}

/// Adds an account.
pub(crate) async fn insert(tx: &mut TenantTx, account: &StoredAccount) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.official_account
             (tenant_id, account_id, version, provider_id, channel_id, display_name, basic_id, bot_user_id, state,
              owner_organization_id, default_organization_id, chat_mode, create_time, connect_time, purpose,
              chat_mode_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.id.uuid())
    .bind(account.version)
    .bind(account.value.provider.uuid())
    .bind(account.value.channel_id.as_str())
    .bind(account.value.display_name.as_ref().map(Line::as_str))
    .bind(account.value.basic_id.as_ref().map(Line::as_str))
    .bind(account.value.bot.as_ref().map(BotUserId::as_str))
    .bind(account.value.state.as_str())
    .bind(account.value.owner_organization.map(OrganizationId::uuid))
    .bind(account.value.default_organization.map(OrganizationId::uuid))
    .bind(account.value.chat_mode.as_ref().map(Line::as_str))
    .bind(account.create_time)
    .bind(account.value.connect_time)
    .bind(account.value.purpose.as_str())
    .bind(account.value.chat_mode_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps an account's new version. Provider and channel never change.
pub(crate) async fn update(tx: &mut TenantTx, account: &StoredAccount) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.official_account
         SET version = $3, display_name = $4, basic_id = $5, bot_user_id = $6, state = $7, owner_organization_id = $8,
             default_organization_id = $9, chat_mode = $10, connect_time = $11, purpose = $12,
             chat_mode_time = $13
         WHERE tenant_id = $1 AND account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account.id.uuid())
    .bind(account.version)
    .bind(account.value.display_name.as_ref().map(Line::as_str))
    .bind(account.value.basic_id.as_ref().map(Line::as_str))
    .bind(account.value.bot.as_ref().map(BotUserId::as_str))
    .bind(account.value.state.as_str())
    .bind(account.value.owner_organization.map(OrganizationId::uuid))
    .bind(account.value.default_organization.map(OrganizationId::uuid))
    .bind(account.value.chat_mode.as_ref().map(Line::as_str))
    .bind(account.value.connect_time)
    .bind(account.value.purpose.as_str())
    .bind(account.value.chat_mode_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Where an account belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its provider.
    pub(crate) provider: ProviderId,
    /// Whom it is for.
    pub(crate) purpose: AccountPurpose,
}

/// Where accounts belong; those that are not there are left out.
pub(crate) async fn places(tx: &mut TenantTx, accounts: &[Uuid]) -> Result<HashMap<AccountId, Place>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT account_id, provider_id, purpose FROM identity.official_account
         WHERE tenant_id = $1 AND account_id = ANY ($2)",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .fetch_all(&mut **tx)
    .await?;
    let place = |row: &PgRow| {
        let purpose = row::word(row, "purpose", AccountPurpose::named)?;
        Ok((row::id(row, "account_id")?, Place { provider: row::id(row, "provider_id")?, purpose }))
    };
    rows.iter().map(place).collect()
}

/// Whom an account is for.
pub(crate) async fn purpose(tx: &mut TenantTx, id: AccountId) -> Result<Option<AccountPurpose>, sqlx::Error> {
    Ok(places(tx, &[id.uuid()]).await?.remove(&id).map(|place| place.purpose))
}

/// Whether an account of the tenant's own is its staff account.
pub(crate) async fn has_staff_account(tx: &mut TenantTx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.official_account WHERE tenant_id = $1 AND purpose = 'STAFF')",
    )
    .bind(tx.tenant().uuid())
    .fetch_one(&mut **tx)
    .await
}

/// Whether any LINE user was seen on an account, or any tenant was given a share in it.
pub(crate) async fn is_in_use(tx: &mut TenantTx, id: AccountId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.friendship WHERE tenant_id = $1 AND account_id = $2)
             OR EXISTS (SELECT FROM identity.staff_line_user WHERE tenant_id = $1 AND account_id = $2)
             OR EXISTS (SELECT FROM identity.staff_account_guest WHERE tenant_id = $1 AND account_id = $2)",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_one(&mut **tx)
    .await
}

/// An account.
pub(crate) async fn find(tx: &mut TenantTx, id: AccountId) -> Result<Option<EquippedAccount>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT a.*,
             EXISTS (SELECT FROM identity.channel_secret s
                 WHERE s.tenant_id = a.tenant_id AND s.account_id = a.account_id AND s.expire_time IS NULL)
                 AS has_channel_secret,
             EXISTS (SELECT FROM identity.channel_credential c
                 WHERE c.tenant_id = a.tenant_id AND c.account_id = a.account_id) AS has_credential,
             v.as_of_date, v.friends AS coverage_friends, v.known_friends AS coverage_known
         FROM identity.official_account a
         LEFT JOIN identity.friend_coverage v ON v.tenant_id = a.tenant_id AND v.account_id = a.account_id
         WHERE a.tenant_id = $1 AND a.account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The same, locked until the transaction ends, its secrets and keys with it.
pub(crate) async fn lock(tx: &mut TenantTx, id: AccountId) -> Result<Option<EquippedAccount>, sqlx::Error> {
    sqlx::query("SELECT FROM identity.official_account WHERE tenant_id = $1 AND account_id = $2 FOR NO KEY UPDATE")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    find(tx, id).await
}

/// The same, against whoever keeps something that belongs to the account, too: nobody is seen on it meanwhile.
pub(crate) async fn lock_alone(tx: &mut TenantTx, id: AccountId) -> Result<Option<EquippedAccount>, sqlx::Error> {
    sqlx::query("SELECT FROM identity.official_account WHERE tenant_id = $1 AND account_id = $2 FOR UPDATE")
        .bind(tx.tenant().uuid())
        .bind(id.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    find(tx, id).await
}

/// What may be done with an account. With `held`, that stays so until the transaction ends.
pub(crate) async fn state(tx: &mut TenantTx, id: AccountId, held: bool) -> Result<Option<AccountState>, sqlx::Error> {
    let query = if held {
        "SELECT state FROM identity.official_account WHERE tenant_id = $1 AND account_id = $2 FOR SHARE"
    } else {
        "SELECT state FROM identity.official_account WHERE tenant_id = $1 AND account_id = $2"
    };
    let row = sqlx::query(query).bind(tx.tenant().uuid()).bind(id.uuid()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(|row| row::word(row, "state", AccountState::named)).transpose()
}

/// At most `size` accounts, oldest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<EquippedAccount>, sqlx::Error> {
    let (time, id) = after.unzip();
    let rows = sqlx::query(
        "SELECT a.*,
             EXISTS (SELECT FROM identity.channel_secret s
                 WHERE s.tenant_id = a.tenant_id AND s.account_id = a.account_id AND s.expire_time IS NULL)
                 AS has_channel_secret,
             EXISTS (SELECT FROM identity.channel_credential c
                 WHERE c.tenant_id = a.tenant_id AND c.account_id = a.account_id) AS has_credential,
             v.as_of_date, v.friends AS coverage_friends, v.known_friends AS coverage_known
         FROM identity.official_account a
         LEFT JOIN identity.friend_coverage v ON v.tenant_id = a.tenant_id AND v.account_id = a.account_id
         WHERE a.tenant_id = $1 AND (a.create_time, a.account_id) > (coalesce($2::timestamptz, '-infinity'), $3)
         ORDER BY a.create_time, a.account_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(stored).collect()
}

/// Notes when the account's next former secret or key ends; forgets the note when there is none.
pub(crate) async fn plan_expiry(tx: &mut TenantTx, id: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "WITH ending AS (
             SELECT min(e.expire_time) AS due_time FROM (
                 SELECT expire_time FROM identity.channel_secret WHERE tenant_id = $1 AND account_id = $2
                 UNION ALL
                 SELECT expire_time FROM identity.webhook_key WHERE tenant_id = $1 AND account_id = $2
             ) e
         ), forgotten AS (
             DELETE FROM identity.account_expiry x USING ending
             WHERE x.tenant_id = $1 AND x.account_id = $2 AND ending.due_time IS NULL
         )
         INSERT INTO identity.account_expiry (tenant_id, account_id, due_time)
         SELECT $1, $2, due_time FROM ending WHERE due_time IS NOT NULL
         ON CONFLICT (tenant_id, account_id) DO UPDATE SET due_time = EXCLUDED.due_time",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Accounts of which a former secret or key has ended, at most `size`, each put off by a minute so that no two workers take
/// one at once and a failure is tried again.
pub(crate) async fn claim_expired(database: &Database, size: i64) -> Result<Vec<(TenantId, AccountId)>, sqlx::Error> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "UPDATE identity.account_expiry x SET due_time = now() + interval '1 minute'
         FROM (SELECT tenant_id, account_id FROM identity.account_expiry WHERE due_time <= now()
               ORDER BY due_time LIMIT $1 FOR UPDATE SKIP LOCKED) due
         WHERE x.tenant_id = due.tenant_id AND x.account_id = due.account_id
         RETURNING x.tenant_id, x.account_id",
    )
    .bind(size)
    .fetch_all(database.worker())
    .await?;
    Ok(rows.into_iter().map(|(tenant, account)| (tenant.into(), account.into())).collect())
}
