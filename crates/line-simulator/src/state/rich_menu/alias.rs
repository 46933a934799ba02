//! Names for rich menus, which an action can switch between.
//!
//! <https://developers.line.biz/en/docs/messaging-api/switch-rich-menus/>

use serde_json::{Value, json};

use super::{RichMenus, is_rich_menu_id, malformed};
use crate::state::id::UserId;
use crate::state::refusal::Refusal;

/// Most aliases of one account.
const MOST_ALIASES: usize = 1_000;

const UNKNOWN: Refusal = Refusal::Particular { status: 404, message: "richmenu alias not found" };

/// 400 for what cannot be an alias.
fn is_alias(text: &str) -> Result<(), Refusal> {
    let fine = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if fine { Ok(()) } else { Err(Refusal::property("richMenuAliasId", "invalid richMenuAliasId")) }
}

impl RichMenus {
    pub(crate) fn add_alias(&mut self, alias: &str, id: &str) -> Result<(), Refusal> {
        is_alias(alias)?;
        self.can_be_named(id)?;
        if self.aliases.contains_key(alias) {
            return Err(Refusal::Particular { status: 400, message: "conflict richmenu alias id" });
        }
        if self.aliases.len() >= MOST_ALIASES {
            return Err(Refusal::Bad("The maximum number of rich menu aliases has been reached".into()));
        }
        self.aliases.insert(alias.to_owned(), id.to_owned());
        Ok(())
    }

    pub(crate) fn change_alias(&mut self, alias: &str, id: &str) -> Result<(), Refusal> {
        is_alias(alias)?;
        if !self.aliases.contains_key(alias) {
            return Err(UNKNOWN);
        }
        self.can_be_named(id)?;
        self.aliases.insert(alias.to_owned(), id.to_owned());
        Ok(())
    }

    pub(crate) fn delete_alias(&mut self, alias: &str) -> Result<(), Refusal> {
        is_alias(alias)?;
        self.aliases.remove(alias).map(|_| ()).ok_or(UNKNOWN)
    }

    pub(crate) fn alias(&self, alias: &str) -> Result<Value, Refusal> {
        is_alias(alias)?;
        let id = self.aliases.get(alias).ok_or(UNKNOWN)?;
        Ok(json!({ "richMenuAliasId": alias, "richMenuId": id }))
    }

    pub(crate) fn aliases(&self) -> Vec<Value> {
        self.aliases.iter().map(|(alias, id)| json!({ "richMenuAliasId": alias, "richMenuId": id })).collect()
    }

    /// A tap on a switch: the user gets the alias's menu. Gives LINE's word for how it went.
    pub(crate) fn switch(&mut self, user: &UserId, alias: &str) -> &'static str {
        match self.aliases.get(alias) {
            None => "RICHMENU_ALIAS_ID_NOTFOUND",
            Some(id) if !self.menus.contains_key(id) => "RICHMENU_NOTFOUND",
            Some(id) => {
                self.of_users.insert(user.clone(), id.clone());
                "SUCCESS"
            }
        }
    }

    /// 400 for a menu that is malformed, not there, or without an image.
    fn can_be_named(&self, id: &str) -> Result<(), Refusal> {
        if !is_rich_menu_id(id) {
            return Err(malformed("richMenuId"));
        }
        let there = self.menus.get(id).is_some_and(|menu| menu.image.is_some());
        if there { Ok(()) } else { Err(Refusal::Particular { status: 400, message: "richmenu not found" }) }
    }
}
