//! Friendships, one per official account and LINE user.

use std::collections::HashMap;

use chassis::postgres::TenantTx;
use identity_linking_core::account::{AccountPurpose, is_chat};
use identity_linking_core::friendship::{Anew, Friendship, FriendshipState, Turn};
use identity_linking_core::{FriendAttributes, Line};
use kernel::{AccountId, FriendId, ProviderId, Timestamp};
use line_types::id::UserId;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use uuid::Uuid;

use super::account;
use super::friend::{self, StoredLineUser, attributes, line_user};
use super::rebuild;
use super::row::{self, Position};

/// A friendship as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFriendship {
    /// Rises with every change that others hear of.
    pub(crate) version: i64,
    /// What is known.
    pub(crate) value: Friendship,
    /// What is made anew of it in a rebuild; none: nothing is.
    pub(crate) anew: Option<Anew>,
    /// Known by events told again alone: nothing has followed from it yet.
    pub(crate) silent: bool,
}

/// A LINE user as one account knows it.
#[derive(Clone, Debug)]
pub(crate) struct StoredFriend {
    /// The LINE user.
    pub(crate) line_user: StoredLineUser,
    /// The account.
    pub(crate) account: AccountId,
    /// The friendship.
    pub(crate) friendship: StoredFriendship,
    /// What the tenant recorded.
    pub(crate) attributes: FriendAttributes,
}

/// How many LINE users an account knows, by what is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Friends.
    pub(crate) friends: i64,
    /// Who blocked the account.
    pub(crate) blocked: i64,
    /// Seen, never heard of a follow.
    pub(crate) seen: i64,
}

/// What a row of a LINE user on an account, for customers or for staff, says of the two.
pub(super) fn standing(row: &PgRow) -> Result<Friendship, sqlx::Error> {
    let state: FriendshipState = row::word(row, "state", FriendshipState::named)?;
    let turned: Option<(Timestamp, String)> =
        row::get::<Option<Timestamp>>(row, "turn_time")?.zip(row::get(row, "turn_event_id")?);
    Ok(Friendship {
        first_seen: row::get(row, "first_seen_time")?,
        turn: turned.map(|(at, event_id)| Turn { at, event_id, follow: state == FriendshipState::Friend }),
    })
}

/// The same as the next four values of a statement: state, when first seen, when turned and by which event.
pub(super) fn bound(
    query: Query<'static, Postgres, PgArguments>,
    standing: &Friendship,
) -> Query<'static, Postgres, PgArguments> {
    let turn = standing.turn.as_ref();
    query
        .bind(standing.state().as_str())
        .bind(standing.first_seen)
        .bind(turn.map(|turn| turn.at))
        .bind(turn.map(|turn| &turn.event_id))
}

fn friendship(row: &PgRow) -> Result<StoredFriendship, sqlx::Error> {
    Ok(StoredFriendship {
        version: row::get(row, "version")?,
        value: standing(row)?,
        anew: rebuild::anew(row)?,
        silent: row::get(row, "silent")?,
    })
}

fn friend(row: &PgRow) -> Result<StoredFriend, sqlx::Error> {
    Ok(StoredFriend {
        line_user: line_user(row)?,
        account: row::id(row, "account_id")?,
        friendship: friendship(row)?,
        attributes: attributes(row)?,
    })
}

/// What is known of a LINE user before an event of an account is handled.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// The account's provider.
    pub(crate) provider: ProviderId,
    /// Whom the account is for.
    pub(crate) purpose: AccountPurpose,
    /// The friendship, if it is kept.
    pub(crate) friendship: Option<StoredFriendship>,
    /// Linked to somebody, or its first message has led to what it leads to: a further message leads to nothing.
    pub(crate) settled: bool,
}

/// Looks at what accounts know of LINE users, without a lock; none where there is no such account. In the order of `pairs`. A
/// subquery for each, so that no plan that was made while the table was small can read the whole of it.
pub(crate) async fn look(tx: &mut TenantTx, pairs: &[(AccountId, &UserId)]) -> Result<Vec<Option<Look>>, sqlx::Error> {
    let mut accounts: Vec<Uuid> = pairs.iter().map(|(account, _)| account.uuid()).collect();
    accounts.dedup();
    let places = account::places(tx, &accounts).await?;
    let friend = |(account, user): &(AccountId, &UserId)| Some(friend::id_of(places.get(account)?.provider, user));
    let keys = pairs.iter().filter_map(|pair| Some((pair.0.uuid(), friend(pair)?.uuid())));
    let (accounts, friends): (Vec<Uuid>, Vec<Uuid>) = keys.unzip();
    let rows = sqlx::query(
        "SELECT f.*,
             EXISTS (SELECT FROM identity.first_message m
                     WHERE m.tenant_id = $1 AND m.friend_id = k.friend_id AND m.account_id = k.account_id)
             OR EXISTS (SELECT FROM identity.link l
                        WHERE l.tenant_id = $1 AND l.friend_id = k.friend_id AND l.end_time IS NULL) AS settled
         FROM unnest($2::uuid[], $3::uuid[]) AS k (account_id, friend_id)
         CROSS JOIN LATERAL (
             SELECT * FROM identity.friendship
             WHERE tenant_id = $1 AND account_id = k.account_id AND friend_id = k.friend_id LIMIT 1) f",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .bind(friends)
    .fetch_all(&mut **tx)
    .await?;
    let mut kept: HashMap<(AccountId, FriendId), (StoredFriendship, bool)> = HashMap::new();
    for row in &rows {
        let key = (row::id(row, "account_id")?, row::id(row, "friend_id")?);
        kept.insert(key, (friendship(row)?, row::get(row, "settled")?));
    }
    let look = |pair: &(AccountId, &UserId)| {
        let account::Place { provider, purpose } = *places.get(&pair.0)?;
        let (friendship, settled) = kept.get(&(pair.0, friend(pair)?)).cloned().unzip();
        Some(Look { provider, purpose, friendship, settled: settled.unwrap_or_default() })
    };
    Ok(pairs.iter().map(look).collect())
}

/// Keeps a friendship that is not kept yet; whether that was so.
pub(crate) async fn insert_if_new(
    tx: &mut TenantTx,
    account: AccountId,
    friend: FriendId,
    friendship: &StoredFriendship,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "INSERT INTO identity.friendship
             (tenant_id, account_id, friend_id, version, state, first_seen_time, turn_time, turn_event_id, silent)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(friend.uuid())
    .bind(friendship.version);
    let inserted = bound(query, &friendship.value).bind(friendship.silent).execute(&mut **tx).await?;
    Ok(inserted.rows_affected() == 1)
}

/// A friendship, locked until the transaction ends.
pub(crate) async fn lock(
    tx: &mut TenantTx,
    account: AccountId,
    friend: FriendId,
) -> Result<Option<StoredFriendship>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT * FROM identity.friendship WHERE tenant_id = $1 AND account_id = $2 AND friend_id = $3 FOR NO KEY UPDATE",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(friend.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(friendship).transpose()
}

/// An account by which a LINE user can be reached: `first` if it can, else any.
pub(crate) async fn reachable_by(
    tx: &mut TenantTx,
    friend: FriendId,
    first: AccountId,
) -> Result<Option<AccountId>, sqlx::Error> {
    let found: Option<Uuid> = sqlx::query_scalar(
        "SELECT account_id FROM identity.friendship WHERE tenant_id = $1 AND friend_id = $2 AND state <> 'BLOCKED'
         ORDER BY state = 'FRIEND' DESC, account_id = $3 DESC, account_id LIMIT 1",
    )
    .bind(tx.tenant().uuid())
    .bind(friend.uuid())
    .bind(first.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(AccountId::from))
}

/// Whether LINE's own chat is on, for each connected account that LINE users know and did not block.
pub(crate) async fn chats(
    tx: &mut TenantTx,
    friends: &[FriendId],
) -> Result<HashMap<FriendId, Vec<bool>>, sqlx::Error> {
    if friends.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT k.friend_id, a.chat_mode FROM unnest($2::uuid[]) AS k (friend_id)
         CROSS JOIN LATERAL (
             SELECT account_id FROM identity.friendship
             WHERE tenant_id = $1 AND friend_id = k.friend_id AND state <> 'BLOCKED') f
         CROSS JOIN LATERAL (
             SELECT chat_mode FROM identity.official_account
             WHERE tenant_id = $1 AND account_id = f.account_id AND state = 'CONNECTED' LIMIT 1) a",
    )
    .bind(tx.tenant().uuid())
    .bind(friends.iter().map(|friend| friend.uuid()).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await?;
    let mut chats: HashMap<FriendId, Vec<bool>> = HashMap::new();
    for row in &rows {
        let mode = row::read(row, "chat_mode", Line::optional)?;
        chats.entry(row::id(row, "friend_id")?).or_default().push(is_chat(mode.as_ref()));
    }
    Ok(chats)
}

/// Keeps what is known of a friendship now.
pub(crate) async fn update(
    tx: &mut TenantTx,
    account: AccountId,
    friend: FriendId,
    friendship: &StoredFriendship,
) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE identity.friendship
         SET version = $4, state = $5, first_seen_time = $6, turn_time = $7, turn_event_id = $8,
             anew_state = $9, anew_turn_time = $10, anew_turn_event_id = $11, anew_told_time = $12, silent = $13
         WHERE tenant_id = $1 AND account_id = $2 AND friend_id = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(friend.uuid())
    .bind(friendship.version);
    let anew = friendship.anew.as_ref();
    let turn = anew.and_then(|anew| anew.turn.as_ref());
    bound(query, &friendship.value)
        .bind(anew.map(|anew| FriendshipState::after(anew.turn.as_ref()).as_str()))
        .bind(turn.map(|turn| turn.at))
        .bind(turn.map(|turn| &turn.event_id))
        .bind(anew.and_then(|anew| anew.told_since))
        .bind(friendship.silent)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A LINE user as one account knows it.
pub(crate) async fn find(
    tx: &mut TenantTx,
    account: AccountId,
    id: FriendId,
) -> Result<Option<StoredFriend>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT f.*, u.provider_id, u.line_user_id, u.display_name, u.picture_url, u.confirm_time, u.unlink_time,
             u.version AS line_user_version,
             a.mobile_number, a.gender, a.age, a.prefecture
         FROM identity.friendship f
         JOIN identity.line_user u ON u.tenant_id = f.tenant_id AND u.friend_id = f.friend_id
         LEFT JOIN identity.friend_attributes a ON a.tenant_id = f.tenant_id AND a.friend_id = f.friend_id
         WHERE f.tenant_id = $1 AND f.account_id = $2 AND f.friend_id = $3",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(id.uuid())
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(friend).transpose()
}

macro_rules! select_friends {
    ($state:literal) => {
        concat!(
            "SELECT f.*, u.provider_id, u.line_user_id, u.display_name, u.picture_url, u.confirm_time, u.unlink_time,
             u.version AS line_user_version,
                 a.mobile_number, a.gender, a.age, a.prefecture
             FROM identity.friendship f
             JOIN identity.line_user u ON u.tenant_id = f.tenant_id AND u.friend_id = f.friend_id
             LEFT JOIN identity.friend_attributes a ON a.tenant_id = f.tenant_id AND a.friend_id = f.friend_id
             WHERE f.tenant_id = $1 AND f.account_id = $2 AND ",
            $state,
            " AND (f.first_seen_time, f.friend_id) < (coalesce($4::timestamptz, 'infinity'), $5)
             ORDER BY f.first_seen_time DESC, f.friend_id DESC LIMIT $6"
        )
    };
}

/// At most `size` LINE users an account knows, latest first, behind `after`; only those in `state`, where one is given.
pub(crate) async fn list(
    tx: &mut TenantTx,
    account: AccountId,
    state: Option<FriendshipState>,
    after: Option<Position>,
    size: i64,
) -> Result<Vec<StoredFriend>, sqlx::Error> {
    let (time, id) = after.unzip();
    // Two texts, for each has an index of its own.
    let rows = sqlx::query(match state {
        Some(_) => select_friends!("f.state = $3"),
        None => select_friends!("$3::text IS NULL"),
    })
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(state.map(FriendshipState::as_str))
    .bind(time)
    .bind(id)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(friend).collect()
}

/// How many LINE users an account knows, by the tally that every change of a friendship adds to in its transaction: exact, and as
/// quick for a million friends as for one.
pub(crate) async fn count(tx: &mut TenantTx, account: AccountId) -> Result<Counts, sqlx::Error> {
    let counted: Vec<(String, i64)> = sqlx::query_as(
        "SELECT state, sum(number)::bigint FROM identity.friend_tally WHERE tenant_id = $1 AND account_id = $2 GROUP BY state",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await?;
    let of = |state: FriendshipState| counted.iter().find(|(word, _)| word == state.as_str()).map_or(0, |(_, n)| *n);
    Ok(Counts {
        friends: of(FriendshipState::Friend),
        blocked: of(FriendshipState::Blocked),
        seen: of(FriendshipState::Seen),
    })
}

/// A friendship with the LINE user ID that other services know the user by.
pub(crate) struct ToldFriendship {
    /// The account.
    pub(crate) account: AccountId,
    /// The LINE user, by our ID.
    pub(crate) friend: FriendId,
    /// LINE's user ID.
    pub(crate) line_user_id: String,
    /// The friendship.
    pub(crate) friendship: StoredFriendship,
}

/// At most `size` friendships of all accounts behind `after`, by account and LINE user.
pub(crate) async fn list_all(
    tx: &mut TenantTx,
    after: Option<(AccountId, FriendId)>,
    size: i64,
) -> Result<Vec<ToldFriendship>, sqlx::Error> {
    let (account, friend): (Option<Uuid>, Option<Uuid>) =
        after.map(|(account, friend)| (account.uuid(), friend.uuid())).unzip();
    let rows = sqlx::query(
        "SELECT f.*, u.line_user_id
         FROM identity.friendship f
         JOIN identity.line_user u ON u.tenant_id = f.tenant_id AND u.friend_id = f.friend_id
         WHERE f.tenant_id = $1 AND (f.account_id, f.friend_id) > (coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'), $3)
         ORDER BY f.account_id, f.friend_id LIMIT $4",
    )
    .bind(tx.tenant().uuid())
    .bind(account)
    .bind(friend)
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(told).collect()
}

/// Reads a friendship with the user's ID.
pub(super) fn told(row: &PgRow) -> Result<ToldFriendship, sqlx::Error> {
    Ok(ToldFriendship {
        account: row::id(row, "account_id")?,
        friend: row::id(row, "friend_id")?,
        line_user_id: row::get(row, "line_user_id")?,
        friendship: friendship(row)?,
    })
}
