//! Who has which menu: one user at once, up to 500 users and whole menus a while after the request was taken.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use line_types::rich_menu::MOST_USERS;

use super::{Operation, RichMenus, is_rich_menu_id, malformed, without_image};
use crate::state::id::{UserId, is_well_formed};
use crate::state::refusal::Refusal;

/// How long after it was taken a request for several users is carried out; LINE says "a few seconds".
pub(super) const BULK_TAKES: TimeDelta = TimeDelta::seconds(1);

/// What was taken and is done later.
#[derive(Debug)]
pub(super) enum Change {
    /// A menu, or none, for these users.
    Users { users: Vec<UserId>, menu: Option<String> },
    /// A menu, or none, for all who have another.
    Menus(Vec<Operation>),
}

impl RichMenus {
    /// Links a menu to one user; without effect for one who is no friend.
    pub(crate) fn link(&mut self, user: UserId, is_friend: bool, id: &str) -> Result<(), Refusal> {
        self.needs_image(id)?;
        if is_friend {
            self.of_users.insert(user, id.to_owned());
        }
        Ok(())
    }

    pub(crate) fn unlink(&mut self, user: &UserId, is_friend: bool) {
        if is_friend {
            self.of_users.remove(user);
        }
    }

    /// The menu linked to a user.
    pub(crate) fn of_user(&self, user: &UserId) -> Result<&str, Refusal> {
        let linked = self.of_users.get(user).map(String::as_str);
        linked.ok_or(Refusal::Particular { status: 404, message: "the user has no richmenu" })
    }

    /// Takes a request to link a menu to several users.
    pub(crate) fn link_later(&mut self, now: DateTime<Utc>, id: &str, users: Vec<String>) -> Result<(), Refusal> {
        if !is_rich_menu_id(id) {
            return Err(malformed("richMenuId"));
        }
        let users = well_formed(users)?;
        let menu = self.menus.get(id).ok_or(Refusal::Particular { status: 404, message: "richmenu not found" })?;
        if menu.image.is_none() {
            return Err(without_image());
        }
        self.waiting.push((now + BULK_TAKES, Change::Users { users, menu: Some(id.to_owned()) }));
        Ok(())
    }

    /// Takes a request to unlink several users.
    pub(crate) fn unlink_later(&mut self, now: DateTime<Utc>, users: Vec<String>) -> Result<(), Refusal> {
        let users = well_formed(users)?;
        self.waiting.push((now + BULK_TAKES, Change::Users { users, menu: None }));
        Ok(())
    }

    pub(super) fn carry_out(&mut self, change: Change, friends: &HashSet<UserId>) {
        match change {
            Change::Users { users, menu } => {
                for user in users.into_iter().filter(|user| friends.contains(user)) {
                    self.give(user, menu.clone());
                }
            }
            Change::Menus(operations) => {
                let before = self.of_users.clone();
                for (user, had) in before.into_iter().filter(|(user, _)| friends.contains(user)) {
                    // Each operation looks at what was linked before the request, so no two meet.
                    if let Some(operation) = operations.iter().find(|operation| operation.is_for(&had)) {
                        self.give(user, operation.to().map(str::to_owned));
                    }
                }
            }
        }
    }

    /// Gives a user a menu, if it is still there, or none.
    fn give(&mut self, user: UserId, menu: Option<String>) {
        match menu {
            Some(id) if self.menus.contains_key(&id) => drop(self.of_users.insert(user, id)),
            Some(_) => {}
            None => drop(self.of_users.remove(&user)),
        }
    }
}

/// The users of a request, all or none.
fn well_formed(users: Vec<String>) -> Result<Vec<UserId>, Refusal> {
    debug_assert!(users.len() <= MOST_USERS, "the body was read within LINE's limit");
    if let Some(bad) = users.iter().position(|user| !is_well_formed(user, b"U")) {
        return Err(Refusal::InvalidProperty(format!("userIds[{bad}]")));
    }
    Ok(users.into_iter().map(UserId::from).collect())
}
