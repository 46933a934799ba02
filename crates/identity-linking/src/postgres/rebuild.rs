//! Rebuilds: how far the tenant's last one has come, and the friendships that are made anew in it.

use chassis::postgres::TenantTx;
use identity_linking_core::friendship::{Anew, FriendshipState, Renewal, Seen, Turn};
use kernel::{AccountId, FriendId, Timestamp};
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::friendship::{StoredFriendship, ToldFriendship, told};
use super::row;

/// How a rebuild stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RebuildState {
    /// Friendships begin to be made anew.
    Preparing,
    /// All have begun; events are told again.
    Prepared,
    /// What was made anew takes the place of what was kept.
    Replacing,
    /// It has.
    Replaced,
    /// What was made anew is forgotten, or about to be.
    Abandoned,
}

impl RebuildState {
    const ALL: [(Self, &str); 5] = [
        (Self::Preparing, "PREPARING"),
        (Self::Prepared, "PREPARED"),
        (Self::Replacing, "REPLACING"),
        (Self::Replaced, "REPLACED"),
        (Self::Abandoned, "ABANDONED"),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, word)| word)
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(state, _)| *state)
    }
}

/// A tenant's last rebuild.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rebuild {
    /// The replay it belongs to.
    pub(crate) replay: Uuid,
    /// How it stands.
    pub(crate) state: RebuildState,
    /// Friendships that were made anew so far.
    pub(crate) renewed: i64,
    /// Friendships that stand as they stood, so far.
    pub(crate) kept: i64,
}

impl StoredFriendship {
    /// What is kept, and what is made anew of it.
    pub(crate) fn renewal(&self) -> Renewal {
        Renewal { kept: self.value.clone(), anew: self.anew.clone() }
    }

    /// What is known after an event; `told_again`: one of the past, with effects off.
    pub(crate) fn after(&self, seen: &Seen, told_again: bool) -> Renewal {
        self.renewal().fold(seen, told_again)
    }

    /// Whether that event tells anything that is not known, or is the first from which anything may follow.
    pub(crate) fn is_changed_by(&self, seen: &Seen, told_again: bool) -> bool {
        let Renewal { kept, anew } = self.after(seen, told_again);
        (kept, anew) != (self.value.clone(), self.anew.clone()) || (self.silent && !told_again)
    }
}

/// The tenant's last rebuild, locked: `replay`, where that is newer than the one that was.
pub(crate) async fn enter(tx: &mut TenantTx, replay: Uuid) -> Result<Rebuild, sqlx::Error> {
    let none = Uuid::nil();
    sqlx::query(
        "INSERT INTO identity.rebuild AS r (tenant_id, replay_id) VALUES ($1, $2)
         ON CONFLICT (tenant_id) DO UPDATE
         SET replay_id = excluded.replay_id, state = 'PREPARING', after_account_id = $3, after_friend_id = $3, renewed_count = 0,
             kept_count = 0
         WHERE r.replay_id < excluded.replay_id",
    )
    .bind(tx.tenant().uuid())
    .bind(replay)
    .bind(none)
    .execute(&mut **tx)
    .await?;
    lock(tx).await?.ok_or(sqlx::Error::RowNotFound)
}

/// The tenant's last rebuild, locked.
pub(crate) async fn lock(tx: &mut TenantTx) -> Result<Option<Rebuild>, sqlx::Error> {
    let query = sqlx::query("SELECT * FROM identity.rebuild WHERE tenant_id = $1 FOR UPDATE");
    let row = query.bind(tx.tenant().uuid()).fetch_optional(&mut **tx).await?;
    let rebuild = |row| {
        Ok(Rebuild {
            replay: row::get(&row, "replay_id")?,
            state: row::word(&row, "state", RebuildState::named)?,
            renewed: row::get(&row, "renewed_count")?,
            kept: row::get(&row, "kept_count")?,
        })
    };
    row.map(rebuild).transpose()
}

/// Notes how the tenant's rebuild stands.
pub(crate) async fn set(tx: &mut TenantTx, state: RebuildState) -> Result<(), sqlx::Error> {
    let query = sqlx::query("UPDATE identity.rebuild SET state = $2 WHERE tenant_id = $1 AND state <> $2");
    query.bind(tx.tenant().uuid()).bind(state.as_str()).execute(&mut **tx).await?;
    Ok(())
}

/// Notes how the tenant's rebuild ends, and what became of so many friendships more.
pub(crate) async fn settle(tx: &mut TenantTx, state: RebuildState, renewed: i64, kept: i64) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE identity.rebuild SET state = $2, renewed_count = renewed_count + $3, kept_count = kept_count + $4
         WHERE tenant_id = $1",
    );
    let query = query.bind(tx.tenant().uuid()).bind(state.as_str()).bind(renewed).bind(kept);
    query.execute(&mut **tx).await?;
    Ok(())
}

/// Has the next friendships begin to be made anew, `size` at most. How many there were.
pub(crate) async fn begin(tx: &mut TenantTx, size: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "WITH place AS (SELECT * FROM identity.rebuild WHERE tenant_id = $1),
         portion AS (
             SELECT f.account_id, f.friend_id FROM place CROSS JOIN LATERAL (
                 SELECT * FROM identity.friendship
                 WHERE tenant_id = $1 AND (account_id, friend_id) > (place.after_account_id, place.after_friend_id)
                 ORDER BY account_id, friend_id LIMIT $2) f),
         begun AS (
             UPDATE identity.friendship f SET anew_state = 'SEEN', anew_turn_time = NULL, anew_turn_event_id = NULL,
                 anew_told_time = NULL
             FROM portion WHERE f.tenant_id = $1 AND f.account_id = portion.account_id AND f.friend_id = portion.friend_id),
         last AS (SELECT account_id, friend_id FROM portion ORDER BY account_id DESC, friend_id DESC LIMIT 1),
         noted AS (
             UPDATE identity.rebuild SET after_account_id = last.account_id, after_friend_id = last.friend_id
             FROM last WHERE tenant_id = $1)
         SELECT count(*) FROM portion",
    )
    .bind(tx.tenant().uuid())
    .bind(size)
    .fetch_one(&mut **tx)
    .await
}

/// Friendships that are made anew, `size` at most, locked.
pub(crate) async fn next(tx: &mut TenantTx, size: i64) -> Result<Vec<ToldFriendship>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT f.*, u.line_user_id FROM identity.friendship f
         JOIN identity.line_user u ON u.tenant_id = f.tenant_id AND u.friend_id = f.friend_id
         WHERE f.tenant_id = $1 AND f.anew_state IS NOT NULL
         ORDER BY f.account_id, f.friend_id LIMIT $2 FOR NO KEY UPDATE OF f",
    )
    .bind(tx.tenant().uuid())
    .bind(size)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(told).collect()
}

/// What a friendship's row says is made anew of it; none: nothing is.
pub(super) fn anew(row: &PgRow) -> Result<Option<Anew>, sqlx::Error> {
    if row::get::<Option<&str>>(row, "anew_state")?.is_none() {
        return Ok(None);
    }
    let state = row::word(row, "anew_state", FriendshipState::named)?;
    let turned: Option<(Timestamp, String)> =
        row::get::<Option<Timestamp>>(row, "anew_turn_time")?.zip(row::get(row, "anew_turn_event_id")?);
    let turn = turned.map(|(at, event_id)| Turn { at, event_id, follow: state == FriendshipState::Friend });
    Ok(Some(Anew { turn, told_since: row::get(row, "anew_told_time")? }))
}

/// Forgets what was made anew of a friendship.
pub(crate) async fn clear(tx: &mut TenantTx, account: AccountId, friend: FriendId) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE identity.friendship SET anew_state = NULL, anew_turn_time = NULL, anew_turn_event_id = NULL, anew_told_time = NULL
         WHERE tenant_id = $1 AND account_id = $2 AND friend_id = $3",
    );
    query.bind(tx.tenant().uuid()).bind(account.uuid()).bind(friend.uuid()).execute(&mut **tx).await?;
    Ok(())
}
