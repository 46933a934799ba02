//! The yellow bar's tables: what LINE users bound to staff see, and the two menus at LINE.

pub(crate) mod job;
pub(crate) mod wish;

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::postgres::TenantTx;
use kernel::{AccountId, StaffId};
use line_types::id::{RichMenuId, UserId};
use messaging_outbox_core::bar::{Known, Settling, Shown};
use sqlx::Row as _;
use uuid::Uuid;

/// `staff_bar.shown`.
const UNKNOWN: i16 = 0;
const DEFAULT: i16 = 1;
const MENU: i16 = 2;

/// The staff bound on an account, and each one's LINE user. One that is no ID of LINE's is left out: LINE cannot be asked for it.
pub(crate) async fn bound(tx: &mut TenantTx, account: AccountId) -> Result<Vec<(StaffId, UserId)>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT staff_id, line_user_id FROM messaging.staff_contact
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id <> ''",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await?;
    let mut bound = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Ok(user) = UserId::parse(row.try_get("line_user_id")?) {
            bound.push((row.try_get::<Uuid, _>("staff_id")?.into(), user));
        }
    }
    Ok(bound)
}

/// What is known of the LINE users of an account.
pub(crate) async fn known(tx: &mut TenantTx, account: AccountId) -> Result<BTreeMap<UserId, Known>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT line_user_id, shown, rich_menu_id, check_time <= now() AS checkable FROM messaging.staff_bar
         WHERE tenant_id = $1 AND account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .fetch_all(&mut **tx)
    .await?;
    let mut known = BTreeMap::new();
    for row in &rows {
        let Ok(user) = UserId::parse(row.try_get("line_user_id")?) else { continue };
        let shown = match (row.try_get("shown")?, row.try_get::<Option<String>, _>("rich_menu_id")?) {
            (MENU, Some(menu)) => Shown::Menu(menu),
            (DEFAULT, _) => Shown::Default,
            _ => Shown::Unknown,
        };
        let settling = match row.try_get("checkable")? {
            None => Settling::Done,
            Some(false) => Settling::UnderWay,
            Some(true) => Settling::ToCheck,
        };
        known.insert(user, Known { shown, settling });
    }
    Ok(known)
}

/// Before a call for these users: from now on nobody knows what they see.
pub(crate) async fn begin(tx: &mut TenantTx, account: AccountId, users: &[UserId]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.staff_bar (tenant_id, account_id, line_user_id, shown)
         SELECT $1, $2, line_user_id, 0 FROM unnest($3::text[]) AS u (line_user_id)
         ON CONFLICT (tenant_id, account_id, line_user_id) DO UPDATE
         SET shown = excluded.shown, rich_menu_id = NULL, check_time = NULL",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(texts(users))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// After it: what they see. `check_in`: LINE took it and does it later; it is asked then whether it did.
pub(crate) async fn settle(
    tx: &mut TenantTx,
    account: AccountId,
    users: &[UserId],
    menu: Option<&RichMenuId>,
    check_in: Option<Duration>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.staff_bar
         SET shown = $4, rich_menu_id = $5, check_time = now() + $6::float8 * interval '1 second'
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = ANY ($3)",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(texts(users))
    .bind(if menu.is_some() { MENU } else { DEFAULT })
    .bind(menu.map(RichMenuId::as_str))
    .bind(check_in.map(|wait| wait.as_secs_f64()))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// LINE did for these what it took.
pub(crate) async fn confirm(tx: &mut TenantTx, account: AccountId, users: &[UserId]) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE messaging.staff_bar SET check_time = NULL
         WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = ANY ($3) AND shown <> $4",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(texts(users))
    .bind(UNKNOWN)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// No more need be known of these.
pub(crate) async fn forget(tx: &mut TenantTx, account: AccountId, users: &[UserId]) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM messaging.staff_bar WHERE tenant_id = $1 AND account_id = $2 AND line_user_id = ANY ($3)")
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .bind(texts(users))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn texts(users: &[UserId]) -> Vec<&str> {
    users.iter().map(UserId::as_str).collect()
}

/// One of the two menus at LINE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MenuAtLine {
    pub(crate) name: String,
    pub(crate) id: RichMenuId,
}

/// Both, and whether LINE was asked for them lately.
#[derive(Clone, Debug)]
pub(crate) struct MenusAtLine {
    pub(crate) plain: MenuAtLine,
    pub(crate) unread: MenuAtLine,
    pub(crate) lately: bool,
}

/// The menus of an account, none before they were made; `lately`: how long what LINE said of them holds.
pub(crate) async fn menus(
    tx: &mut TenantTx,
    account: AccountId,
    lately: Duration,
) -> Result<Option<MenusAtLine>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT plain_name, plain_id, unread_name, unread_id, look_time > now() - make_interval(secs => $3) AS lately
         FROM messaging.staff_bar_menus WHERE tenant_id = $1 AND account_id = $2",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(lately.as_secs_f64())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let menu = |name: &str, id: &str| -> Result<Option<MenuAtLine>, sqlx::Error> {
        let id = RichMenuId::parse(row.try_get(id)?).ok();
        let name = row.try_get(name)?;
        Ok(id.map(|id| MenuAtLine { name, id }))
    };
    let both = menu("plain_name", "plain_id")?.zip(menu("unread_name", "unread_id")?);
    let lately = row.try_get("lately")?;
    Ok(both.map(|(plain, unread)| MenusAtLine { plain, unread, lately }))
}

/// Keeps the menus of an account, just looked for.
pub(crate) async fn keep_menus(
    tx: &mut TenantTx,
    account: AccountId,
    plain: &MenuAtLine,
    unread: &MenuAtLine,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO messaging.staff_bar_menus (tenant_id, account_id, plain_name, plain_id, unread_name, unread_id)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (tenant_id, account_id) DO UPDATE
         SET plain_name = excluded.plain_name, plain_id = excluded.plain_id, unread_name = excluded.unread_name,
             unread_id = excluded.unread_id, look_time = excluded.look_time",
    )
    .bind(tx.tenant().uuid())
    .bind(account.uuid())
    .bind(&plain.name)
    .bind(plain.id.as_str())
    .bind(&unread.name)
    .bind(unread.id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// LINE has lost a menu of an account: both are looked for again.
pub(crate) async fn lose_menus(tx: &mut TenantTx, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM messaging.staff_bar_menus WHERE tenant_id = $1 AND account_id = $2")
        .bind(tx.tenant().uuid())
        .bind(account.uuid())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
