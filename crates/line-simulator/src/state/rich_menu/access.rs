//! An account's rich menus in the world: what was taken is done when its time has come; friends alone can have a menu.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{RichMenus, ShownRichMenu};
use crate::state::act::Scene;
use crate::state::event::Done;
use crate::state::id::{ChannelId, PersonId, UserId};
use crate::state::world::{ActError, World};

impl World {
    /// The menus of an account as they are now.
    pub(crate) fn rich_menus(&mut self, now: DateTime<Utc>, channel: &ChannelId) -> Result<&mut RichMenus, ActError> {
        let friends: HashSet<UserId> = if self.account(channel)?.rich_menus.has_due(now) {
            let friends = self.account(channel)?.friends();
            friends.iter().filter(|id| !self.is_gone(id)).filter_map(|id| self.user_id(channel, id)).collect()
        } else {
            HashSet::new()
        };
        let menus = &mut self.account_mut(channel)?.rich_menus;
        menus.settle(now, &friends);
        Ok(menus)
    }

    /// Whether a user can be given a menu of their own.
    pub(crate) fn can_have_rich_menu(&self, channel: &ChannelId, user: &UserId) -> bool {
        let friendship = |person| self.accounts.get(channel)?.friendships.get(person);
        self.person_of(channel, user)
            .filter(|person| !self.is_gone(person))
            .and_then(friendship)
            .is_some_and(crate::state::friendship::Friendship::is_friend)
    }

    fn is_gone(&self, person: &PersonId) -> bool {
        self.people.get(person).is_none_or(|person| person.gone)
    }

    /// The menu a person sees in the chat with an account.
    pub(crate) fn shown_rich_menu(
        &mut self,
        now: DateTime<Utc>,
        channel: &ChannelId,
        person: &PersonId,
    ) -> Result<Option<ShownRichMenu>, ActError> {
        let user = self.introduce(channel, person)?;
        let friend = self.can_have_rich_menu(channel, &user);
        Ok(self.rich_menus(now, channel)?.shown(&user).filter(|_| friend))
    }

    /// A tap on a place of the menu the person sees.
    pub(in crate::state) fn tap_rich_menu(
        &mut self,
        now: DateTime<Utc>,
        scene: &Scene,
        area: usize,
    ) -> Result<Done, ActError> {
        let shown = self.shown_rich_menu(now, &scene.channel, &scene.person)?.and_then(|shown| shown.menu);
        let menu = shown.ok_or(ActError::Unknown("rich menu of that person"))?;
        let menus = self.rich_menus(now, &scene.channel)?;
        let action = menus.action(&menu.rich_menu_id, area).cloned().ok_or(ActError::Unknown("area"))?;
        if action.get("type").and_then(Value::as_str) != Some("richmenuswitch") {
            return self.follow_action(now, scene, &action);
        }
        let text = |name: &str| action.get(name).and_then(Value::as_str).unwrap_or_default();
        let status = menus.switch(&scene.user, text("richMenuAliasId"));
        let mut params = json!({ "status": status });
        if status == "SUCCESS" {
            params["newRichMenuAliasId"] = json!(text("richMenuAliasId"));
        }
        Ok(self.postback(now, scene, text("data"), Some(params)))
    }
}
