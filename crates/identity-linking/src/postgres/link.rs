//! Links between customers and LINE users.

use chassis::postgres::TenantTx;
use identity_linking_core::Line;
use identity_linking_core::link::{Link, LinkEnd, LinkEndCause, LinkOrigin};
use identity_linking_core::matching::Assurance;
use kernel::{CustomerId, FriendId, LinkAttemptId, LinkId, ProviderId, Timestamp};
use line_types::id::UserId;
use sqlx::postgres::PgRow;

use super::row::{self, Position, Stored};

/// A link as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct StoredLink {
    /// The link.
    pub(crate) stored: Stored<LinkId, Link>,
    /// The attempt it came of.
    pub(crate) attempt: Option<LinkAttemptId>,
    /// When its LINE user wished it, by LINE's clock, so that it compares with what he says later. A link that staff settled began
    /// by our clock, and later.
    pub(crate) wish_time: Timestamp,
}

/// A link with what LINE shows of its LINE user.
#[derive(Clone, Debug)]
pub(crate) struct ShownLink {
    /// The link.
    pub(crate) link: StoredLink,
    /// LINE's user ID.
    pub(crate) line_user_id: UserId,
    /// The name the LINE user shows.
    pub(crate) display_name: Option<String>,
}

fn stored(row: &PgRow) -> Result<StoredLink, sqlx::Error> {
    let end_time: Option<Timestamp> = row::get(row, "end_time")?;
    let end = match end_time {
        Some(time) => Some(LinkEnd { time, cause: row::word(row, "end_cause", LinkEndCause::named)? }),
        None => None,
    };
    Ok(StoredLink {
        attempt: row::optional_id(row, "link_attempt_id")?,
        wish_time: row::get(row, "wish_time")?,
        stored: Stored {
            id: row::id(row, "link_id")?,
            version: row::get(row, "version")?,
            create_time: row::get(row, "create_time")?,
            value: Link {
                customer: row::id(row, "customer_id")?,
                friend: row::id(row, "friend_id")?,
                provider: row::id(row, "provider_id")?,
                assurance: row::word(row, "assurance", Assurance::named)?,
                origin: row::word(row, "origin", LinkOrigin::named)?,
                end,
                note: row::read(row, "note", Line::optional)?,
            },
        },
    })
}

fn shown(row: &PgRow) -> Result<ShownLink, sqlx::Error> {
    Ok(ShownLink {
        link: stored(row)?,
        line_user_id: row::read(row, "line_user_id", UserId::parse)?,
        display_name: row::get(row, "display_name")?,
    })
}

/// Adds a link.
pub(crate) async fn insert(tx: &mut TenantTx, link: &StoredLink) -> Result<(), sqlx::Error> {
    let StoredLink { stored, attempt, wish_time } = link;
    sqlx::query(
        "INSERT INTO identity.link (tenant_id, link_id, version, customer_id, friend_id, provider_id, assurance, origin,
             link_attempt_id, create_time, end_time, end_cause, note, wish_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(tx.tenant().uuid())
    .bind(stored.id.uuid())
    .bind(stored.version)
    .bind(stored.value.customer.uuid())
    .bind(stored.value.friend.uuid())
    .bind(stored.value.provider.uuid())
    .bind(stored.value.assurance.as_str())
    .bind(stored.value.origin.as_str())
    .bind(attempt.map(LinkAttemptId::uuid))
    .bind(stored.create_time)
    .bind(stored.value.end.map(|end| end.time))
    .bind(stored.value.end.map(|end| end.cause.as_str()))
    .bind(stored.value.note.as_ref().map(Line::as_str))
    .bind(wish_time)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Keeps a link's new version.
pub(crate) async fn update(tx: &mut TenantTx, link: &Stored<LinkId, Link>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE identity.link SET version = $3, assurance = $4, end_time = $5, end_cause = $6, note = $7
         WHERE tenant_id = $1 AND link_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(link.id.uuid())
    .bind(link.version)
    .bind(link.value.assurance.as_str())
    .bind(link.value.end.map(|end| end.time))
    .bind(link.value.end.map(|end| end.cause.as_str()))
    .bind(link.value.note.as_ref().map(Line::as_str))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A link.
pub(crate) async fn find(tx: &mut TenantTx, id: LinkId) -> Result<Option<ShownLink>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT l.*, u.line_user_id, u.display_name FROM identity.link l
         CROSS JOIN LATERAL (
             SELECT line_user_id, display_name FROM identity.line_user
             WHERE tenant_id = $1 AND friend_id = l.friend_id LIMIT 1) u
         WHERE l.tenant_id = $1 AND l.link_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(shown).transpose()
}

/// The active link of a LINE user. Whoever is to change it has locked the LINE user before.
pub(crate) async fn of_friend(tx: &mut TenantTx, friend: FriendId) -> Result<Option<StoredLink>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM identity.link WHERE tenant_id = $1 AND friend_id = $2 AND end_time IS NULL")
        .bind(tx.tenant().uuid())
        .bind(friend.uuid())
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// The active link of a customer with a LINE user of a provider.
pub(crate) async fn of_customer(
    tx: &mut TenantTx,
    customer: CustomerId,
    provider: ProviderId,
) -> Result<Option<StoredLink>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.link WHERE tenant_id = $1 AND customer_id = $2 AND provider_id = $3 AND end_time IS NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(customer.uuid())
    .bind(provider.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// The active links of customers.
pub(crate) async fn of_customers(tx: &mut TenantTx, customers: &[CustomerId]) -> Result<Vec<ShownLink>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT l.*, u.line_user_id, u.display_name FROM unnest($2::uuid[]) AS c (id)
         CROSS JOIN LATERAL (
             SELECT * FROM identity.link WHERE tenant_id = $1 AND customer_id = c.id AND end_time IS NULL) l
         CROSS JOIN LATERAL (
             SELECT line_user_id, display_name FROM identity.line_user
             WHERE tenant_id = $1 AND friend_id = l.friend_id LIMIT 1) u",
    )
    .bind(tx.tenant().uuid())
    .bind(customers.iter().map(|customer| customer.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(shown).collect()
}

/// Whose links are listed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whose {
    /// A customer's.
    Customer(CustomerId),
    /// A LINE user's.
    Friend(FriendId),
}

macro_rules! list_links {
    ($column:literal) => {
        concat!(
            "SELECT l.*, u.line_user_id, u.display_name FROM identity.link l
             CROSS JOIN LATERAL (
                 SELECT line_user_id, display_name FROM identity.line_user
                 WHERE tenant_id = $1 AND friend_id = l.friend_id LIMIT 1) u
             WHERE l.tenant_id = $1 AND l.",
            $column,
            " = $2 AND (l.create_time, l.link_id) < (coalesce($3::timestamptz, 'infinity'), $4)
             ORDER BY l.create_time DESC, l.link_id DESC LIMIT $5"
        )
    };
}

/// At most `size` links, ended ones too, latest first, behind `after`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    whose: Whose,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<ShownLink>, sqlx::Error> {
    let (statement, id) = match whose {
        Whose::Customer(customer) => (list_links!("customer_id"), customer.uuid()),
        Whose::Friend(friend) => (list_links!("friend_id"), friend.uuid()),
    };
    let (time, behind) = after.unzip();
    let rows = sqlx::query(statement)
        .bind(tx.tenant().uuid())
        .bind(id)
        .bind(time)
        .bind(behind)
        .bind(size)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(shown).collect()
}

/// At most `size` links behind `after`, by ID: an order that no change disturbs.
pub(crate) async fn list_by_id(
    tx: &mut TenantTx,
    after: Option<LinkId>,
    size: i64,
) -> Result<Vec<ShownLink>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT l.*, u.line_user_id, u.display_name FROM identity.link l
         CROSS JOIN LATERAL (
             SELECT line_user_id, display_name FROM identity.line_user
             WHERE tenant_id = $1 AND friend_id = l.friend_id LIMIT 1) u
         WHERE l.tenant_id = $1 AND l.link_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY l.link_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(after.map(LinkId::uuid))
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(shown).collect()
}
