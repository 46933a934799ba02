//! Switching LINE users to what they are to see, and asking LINE whether it did.

use std::time::Duration;

use chassis::failpoint;
use line_client::Failure;
use line_types::api::{RichMenuBulkLink, RichMenuBulkUnlink};
use line_types::id::{RichMenuId, UserId};
use line_types::rich_menu::MOST_USERS;
use messaging_outbox_core::bar::{self as rules, Plan, Shown};

use super::Scene;
use super::line::{DEADLINE, Line, Trouble};
use crate::postgres::staff_bar as rows;
use crate::postgres::staff_bar::job::PACE;

/// LINE does what it takes for many at once "within a few seconds"; after this it is asked whether it did.
const SETTLES_IN: Duration = Duration::from_secs(5);
/// Requests for many at once in one run, and users asked for: the rest is the next run's.
const BULKS: usize = 6;
const CHECKS: usize = 100;

/// Does what is planned. Tells how long until something is left to be done; none when nothing is.
pub(super) async fn carry_out(
    line: &Line<'_>,
    plan: Plan<UserId>,
    scene: &Scene,
    menu: Option<&RichMenuId>,
) -> Result<Option<Duration>, Trouble> {
    forget(line, &plan.forget).await?;
    let mut wait = plan.under_way.then_some(SETTLES_IN);
    let mut sooner = |than: Duration| wait = Some(wait.map_or(than, |wait| wait.min(than)));
    let (checked, unchecked) = plan.check.split_at(plan.check.len().min(CHECKS));
    if !(check(line, checked, scene).await? && unchecked.is_empty()) {
        sooner(PACE);
    }
    for (users, menu) in [(plan.link, menu), (plan.unlink, None)] {
        if !rules::in_bulk(users.len()) {
            singly(line, users, menu, scene).await?;
            continue;
        }
        for chunk in users.chunks(MOST_USERS).take(BULKS) {
            in_bulk(line, chunk.to_vec(), menu).await?;
        }
        sooner(if users.len() > MOST_USERS * BULKS { PACE } else { SETTLES_IN });
    }
    Ok(wait)
}

/// Switches users one by one, which LINE does at once.
async fn singly(line: &Line<'_>, users: Vec<UserId>, menu: Option<&RichMenuId>, scene: &Scene) -> Result<(), Trouble> {
    if users.is_empty() {
        return Ok(());
    }
    begin(line, &users).await?;
    let (mut switched, mut failed) = (Vec::new(), None);
    for user in users {
        failpoint::reached("messaging.before_bar");
        match switch(line, &user, menu).await {
            Ok(()) => switched.push(user),
            Err(trouble) => {
                failed = Some(trouble);
                break;
            }
        }
        failpoint::reached("messaging.after_bar");
    }
    note(menu, switched.len());
    let (stay, gone): (Vec<_>, Vec<_>) = switched.into_iter().partition(|user| scene.wanted.contains_key(user));
    let mut tx = line.tools.database.tenant(line.key.tenant).await?;
    rows::settle(&mut tx, line.account(), &stay, menu, None).await?;
    rows::forget(&mut tx, line.account(), &gone).await?;
    tx.commit().await?;
    failed.map_or(Ok(()), Err)
}

async fn switch(line: &Line<'_>, user: &UserId, menu: Option<&RichMenuId>) -> Result<(), Trouble> {
    let client = &line.tools.line;
    match menu {
        Some(menu) => client.link_rich_menu(&line.token, user, menu, DEADLINE).await.map_err(Trouble::of_menu),
        None => Ok(client.unlink_rich_menu(&line.token, user, DEADLINE).await?),
    }
}

/// Switches many users with one request, which LINE does later.
async fn in_bulk(line: &Line<'_>, user_ids: Vec<UserId>, menu: Option<&RichMenuId>) -> Result<(), Trouble> {
    begin(line, &user_ids).await?;
    failpoint::reached("messaging.before_bars");
    let (client, users) = (&line.tools.line, user_ids.clone());
    match menu {
        Some(menu) => {
            let request = RichMenuBulkLink { rich_menu_id: menu.clone(), user_ids };
            client.link_rich_menus(&line.token, &request, DEADLINE).await.map_err(Trouble::of_menu)?;
        }
        None => client.unlink_rich_menus(&line.token, &RichMenuBulkUnlink { user_ids }, DEADLINE).await?,
    }
    failpoint::reached("messaging.after_bars");
    note(menu, users.len());
    let mut tx = line.tools.database.tenant(line.key.tenant).await?;
    rows::settle(&mut tx, line.account(), &users, menu, Some(SETTLES_IN)).await?;
    Ok(tx.commit().await?)
}

/// Asks LINE what users see; tells whether all see what they are to. Whoever does not is as good as never switched, and is
/// switched alone next time.
async fn check(line: &Line<'_>, users: &[UserId], scene: &Scene) -> Result<bool, Trouble> {
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    for user in users {
        let sees = sees(line, user).await?;
        let is_done = match scene.known.get(user).map(|known| &known.shown) {
            Some(Shown::Menu(menu)) => sees.is_some_and(|sees| sees.as_str() == menu),
            Some(Shown::Default) => sees.is_none(),
            Some(Shown::Unknown) | None => false,
        };
        if is_done { done.push(user.clone()) } else { undone.push(user.clone()) }
    }
    if !users.is_empty() {
        let mut tx = line.tools.database.tenant(line.key.tenant).await?;
        rows::confirm(&mut tx, line.account(), &done).await?;
        rows::begin(&mut tx, line.account(), &undone).await?;
        tx.commit().await?;
    }
    let forgettable = done.iter().any(|user| !scene.wanted.contains_key(user));
    Ok(undone.is_empty() && !forgettable)
}

async fn sees(line: &Line<'_>, user: &UserId) -> Result<Option<RichMenuId>, Failure> {
    line.tools.line.rich_menu_of_user(&line.token, user, DEADLINE).await
}

async fn begin(line: &Line<'_>, users: &[UserId]) -> Result<(), sqlx::Error> {
    let mut tx = line.tools.database.tenant(line.key.tenant).await?;
    rows::begin(&mut tx, line.account(), users).await?;
    tx.commit().await
}

async fn forget(line: &Line<'_>, users: &[UserId]) -> Result<(), sqlx::Error> {
    if users.is_empty() {
        return Ok(());
    }
    let mut tx = line.tools.database.tenant(line.key.tenant).await?;
    rows::forget(&mut tx, line.account(), users).await?;
    tx.commit().await
}

fn note(menu: Option<&RichMenuId>, users: usize) {
    let to = if menu.is_some() { "unread" } else { "plain" };
    metrics::counter!("tsunagi_messaging_bars_switched_total", "to" => to).increment(users as u64);
}
