//! LINE users, under one provider, and what the tenant recorded of them.

use chassis::postgres::TenantTx;
use identity_linking_core::link::Wishes;
use identity_linking_core::{Age, FriendAttributes, Gender, Line, MobileNumber};
use kernel::{FriendId, ProviderId, Timestamp};
use line_types::id::UserId;
use sqlx::postgres::PgRow;

use super::row;

/// A LINE user as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredLineUser {
    /// The ID that stands for the LINE user ID (D-8).
    pub(crate) id: FriendId,
    /// Rises with every change.
    pub(crate) version: i64,
    /// The provider the LINE user ID belongs to.
    pub(crate) provider: ProviderId,
    /// LINE's user ID.
    pub(crate) line_user_id: UserId,
    /// What LINE shows of the user.
    pub(crate) profile: ShownProfile,
    /// What the user last wished.
    pub(crate) wishes: Wishes,
}

/// What LINE shows of a user. `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ShownProfile {
    /// The name.
    pub(crate) display_name: Option<String>,
    /// The picture's address.
    pub(crate) picture_url: Option<String>,
}

impl std::fmt::Debug for ShownProfile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShownProfile(..)")
    }
}

/// The ID of a LINE user: it follows from provider and user ID, so that whoever sees the user first gives the same one.
pub(crate) fn id_of(provider: ProviderId, user: &UserId) -> FriendId {
    FriendId::derived(provider.uuid(), user.as_str())
}

pub(super) fn line_user(row: &PgRow) -> Result<StoredLineUser, sqlx::Error> {
    Ok(StoredLineUser {
        id: row::id(row, "friend_id")?,
        version: row::get(row, "line_user_version")?,
        provider: row::id(row, "provider_id")?,
        line_user_id: row::read(row, "line_user_id", UserId::parse)?,
        profile: ShownProfile {
            display_name: row::get(row, "display_name")?,
            picture_url: row::get(row, "picture_url")?,
        },
        wishes: Wishes { confirmed: row::get(row, "confirm_time")?, unlinked: row::get(row, "unlink_time")? },
    })
}

pub(super) fn attributes(row: &PgRow) -> Result<FriendAttributes, sqlx::Error> {
    Ok(FriendAttributes {
        mobile_number: row::get::<Option<String>>(row, "mobile_number")?.map(MobileNumber::kept),
        gender: row::read(row, "gender", Gender::optional)?,
        age: Age::optional(row::get::<Option<i16>>(row, "age")?.unwrap_or_default().into())
            .map_err(|error| row::damaged("age", error))?,
        prefecture: row::read(row, "prefecture", Line::optional)?,
    })
}

/// Adds a LINE user who was not known; whether that was so.
pub(crate) async fn insert_if_new(
    tx: &mut TenantTx,
    provider: ProviderId,
    user: &UserId,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "INSERT INTO identity.line_user (tenant_id, friend_id, version, provider_id, line_user_id, create_time)
         VALUES ($1, $2, 1, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(id_of(provider, user).uuid())
    .bind(provider.uuid())
    .bind(user.as_str())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A LINE user.
pub(crate) async fn find(tx: &mut TenantTx, id: FriendId) -> Result<Option<StoredLineUser>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT *, version AS line_user_version FROM identity.line_user WHERE tenant_id = $1 AND friend_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(line_user).transpose()
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, id: FriendId) -> Result<Option<StoredLineUser>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT *, version AS line_user_version FROM identity.line_user WHERE tenant_id = $1 AND friend_id = $2 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(line_user).transpose()
}

/// Keeps what LINE shows of a user, as a new version.
pub(crate) async fn update_profile(
    tx: &mut TenantTx,
    user: &StoredLineUser,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.line_user SET version = $3, display_name = $4, picture_url = $5, profile_time = $6
         WHERE tenant_id = $1 AND friend_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(user.id.uuid())
    .bind(user.version)
    .bind(&user.profile.display_name)
    .bind(&user.profile.picture_url)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps what a LINE user, locked, last wished.
pub(crate) async fn keep_wishes(tx: &mut TenantTx, id: FriendId, wishes: Wishes) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.line_user SET confirm_time = $3, unlink_time = $4 WHERE tenant_id = $1 AND friend_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .bind(wishes.confirmed)
    .bind(wishes.unlinked)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// At most `size` LINE users behind `after`, by ID.
pub(crate) async fn list_line_users(
    tx: &mut TenantTx,
    after: Option<FriendId>,
    size: i64,
) -> Result<Vec<StoredLineUser>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT *, version AS line_user_version FROM identity.line_user
         WHERE tenant_id = $1 AND friend_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY friend_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after.map(FriendId::uuid))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(line_user).collect()
}

/// Keeps what the tenant recorded of a friend.
pub(crate) async fn put_attributes(
    tx: &mut TenantTx,
    id: FriendId,
    attributes: &FriendAttributes,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO identity.friend_attributes (tenant_id, friend_id, mobile_number, gender, age, prefecture)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, friend_id) DO UPDATE SET mobile_number = EXCLUDED.mobile_number,
             gender = EXCLUDED.gender, age = EXCLUDED.age, prefecture = EXCLUDED.prefecture",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .bind(attributes.mobile_number.as_ref().map(MobileNumber::as_str))
    .bind(attributes.gender.map(Gender::as_str))
    .bind(attributes.age.map(|age| i16::from(age.years())))
    .bind(attributes.prefecture.as_ref().map(Line::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}
