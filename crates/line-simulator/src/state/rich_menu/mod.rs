//! Rich menus of one official account: the menus, their images, which is the default, who has which.
//!
//! <https://developers.line.biz/en/docs/messaging-api/rich-menus-overview/>

mod access;
mod alias;
mod batch;
mod linking;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use line_types::api::RichMenuSize;
use line_types::rich_menu::{ImageFault, ImageKind, MOST_MENUS, check, check_image};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use batch::{Batch, Operation};
use linking::Change;

use super::id::UserId;
use super::refusal::{Detail, Refusal};

/// A menu as the account's owner would see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichMenuCard {
    /// LINE's ID of it.
    pub rich_menu_id: String,
    /// Its name.
    pub name: String,
    /// What the bar at the foot of the chat says.
    pub chat_bar_text: String,
    /// Whether it has an image.
    pub has_image: bool,
    /// Whether it is the default.
    pub is_default: bool,
}

/// Where the menu a person sees comes from, in LINE's order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RichMenuSource {
    /// Linked to this user by the API.
    PerUser,
    /// The API's default.
    Default,
    /// The default made in LINE's own manager, which the API cannot see.
    Manager,
}

/// The menu a person sees in the chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownRichMenu {
    /// Where it comes from.
    pub source: RichMenuSource,
    /// The menu; none if it was made in LINE's own manager.
    pub menu: Option<RichMenuCard>,
}

#[derive(Debug)]
struct Menu {
    /// The object as created.
    object: Map<String, Value>,
    image: Option<(ImageKind, Vec<u8>)>,
    number: u64,
}

/// Everything about one account's rich menus.
#[derive(Debug, Default)]
pub(crate) struct RichMenus {
    menus: HashMap<String, Menu>,
    default: Option<String>,
    of_users: HashMap<UserId, String>,
    aliases: BTreeMap<String, String>,
    batches: HashMap<String, Batch>,
    resumed: HashMap<String, DateTime<Utc>>,
    /// Changes taken and not yet done, in the order they were taken.
    waiting: Vec<(DateTime<Utc>, Change)>,
    /// A default made in LINE's own manager.
    pub(crate) manager_default: bool,
    numbers: u64,
}

/// Whether a text has the form of LINE's IDs of rich menus.
fn is_rich_menu_id(text: &str) -> bool {
    text.strip_prefix("richmenu-")
        .is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// Why an ID in a request body cannot be one.
fn malformed(property: impl Into<String>) -> Refusal {
    Refusal::property(property, "invalid richMenuId")
}

/// What LINE would say of a menu object.
pub(crate) fn judge(object: &Value) -> Result<(), Refusal> {
    let violations = check(object);
    if violations.is_empty() {
        return Ok(());
    }
    Err(Refusal::Invalid(violations.into_iter().map(|v| Detail { property: v.property, message: v.message }).collect()))
}

impl RichMenus {
    /// Makes a menu; its ID is 32 hexadecimal digits after `richmenu-`.
    pub(crate) fn create(&mut self, hex: &str, object: Value) -> Result<String, Refusal> {
        judge(&object)?;
        if self.menus.len() >= MOST_MENUS {
            return Err(Refusal::Bad("The maximum number of rich menus has been reached".into()));
        }
        let Value::Object(object) = object else { return Err(Refusal::NotJson { line: 1, column: 1 }) };
        let id = format!("richmenu-{hex}");
        self.numbers += 1;
        self.menus.insert(id.clone(), Menu { object, image: None, number: self.numbers });
        Ok(id)
    }

    /// One menu with its ID, as the API gives it.
    pub(crate) fn object(&self, id: &str) -> Result<Value, Refusal> {
        let menu = self.menus.get(id).ok_or(Refusal::NotFound)?;
        let mut object = menu.object.clone();
        object.insert("richMenuId".into(), json!(id));
        Ok(Value::Object(object))
    }

    /// The IDs in the order of creation.
    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<(&u64, &String)> = self.menus.iter().map(|(id, menu)| (&menu.number, id)).collect();
        ids.sort();
        ids.into_iter().map(|(_, id)| id.clone()).collect()
    }

    /// The menus as the account's owner would see them.
    pub(crate) fn cards(&self) -> Vec<RichMenuCard> {
        self.ids().iter().filter_map(|id| self.card(id)).collect()
    }

    fn card(&self, id: &str) -> Option<RichMenuCard> {
        let menu = self.menus.get(id)?;
        let text = |name: &str| menu.object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(RichMenuCard {
            rich_menu_id: id.to_owned(),
            name: text("name"),
            chat_bar_text: text("chatBarText"),
            has_image: menu.image.is_some(),
            is_default: self.default.as_deref() == Some(id),
        })
    }

    /// Sets the image, once.
    pub(crate) fn set_image(&mut self, id: &str, kind: ImageKind, bytes: Vec<u8>) -> Result<(), Refusal> {
        let menu = self.menus.get_mut(id).ok_or(Refusal::NotFound)?;
        if menu.image.is_some() {
            return Err(Refusal::Bad("An image has already been uploaded to the richmenu".into()));
        }
        let size: Option<RichMenuSize> =
            menu.object.get("size").and_then(|size| serde_json::from_value(size.clone()).ok());
        let found = size.ok_or(ImageFault::Unreadable).and_then(|size| check_image(&bytes, size));
        if found != Ok(kind) {
            return Err(Refusal::Bad("The image size is not allowed for richmenu".into()));
        }
        menu.image = Some((kind, bytes));
        Ok(())
    }

    pub(crate) fn image(&self, id: &str) -> Result<(ImageKind, &[u8]), Refusal> {
        let image = self.menus.get(id).and_then(|menu| menu.image.as_ref()).ok_or(Refusal::NotFound)?;
        Ok((image.0, &image.1))
    }

    /// Deletes a menu. Whoever had it has none, its aliases lead nowhere.
    pub(crate) fn delete(&mut self, id: &str) -> Result<(), Refusal> {
        self.menus.remove(id).ok_or(Refusal::NotFound)?;
        self.default.take_if(|default| default == id);
        self.of_users.retain(|_, menu| menu != id);
        Ok(())
    }

    /// Deletes every menu, as nobody but LINE could: what was said of them is gone too.
    pub(crate) fn lose_all(&mut self) {
        *self = Self { manager_default: self.manager_default, numbers: self.numbers, ..Self::default() };
    }

    /// Makes a menu the default.
    pub(crate) fn set_default(&mut self, id: &str) -> Result<(), Refusal> {
        self.needs_image(id)?;
        self.default = Some(id.to_owned());
        Ok(())
    }

    pub(crate) fn default_id(&self) -> Result<&str, Refusal> {
        match &self.default {
            Some(id) => Ok(id),
            None if self.manager_default => {
                Err(Refusal::Particular { status: 403, message: "the richmenu is owned by another channel" })
            }
            None => Err(Refusal::Particular { status: 404, message: "no default richmenu" }),
        }
    }

    pub(crate) fn clear_default(&mut self) {
        self.default = None;
    }

    /// 404 for a menu that is not there, 400 for one without an image.
    fn needs_image(&self, id: &str) -> Result<(), Refusal> {
        let menu = self.menus.get(id).ok_or(Refusal::NotFound)?;
        if menu.image.is_some() { Ok(()) } else { Err(without_image()) }
    }

    /// What a user sees, in LINE's order of priority.
    pub(crate) fn shown(&self, user: &UserId) -> Option<ShownRichMenu> {
        let linked = self.of_users.get(user).and_then(|id| self.card(id));
        let default = || self.default.as_ref().and_then(|id| self.card(id));
        let of = |source, menu| Some(ShownRichMenu { source, menu });
        match (linked, default()) {
            (Some(menu), _) => of(RichMenuSource::PerUser, Some(menu)),
            (None, Some(menu)) => of(RichMenuSource::Default, Some(menu)),
            (None, None) if self.manager_default => of(RichMenuSource::Manager, None),
            (None, None) => None,
        }
    }

    /// The action of a menu's place to tap.
    pub(crate) fn action(&self, id: &str, area: usize) -> Option<&Value> {
        self.menus.get(id)?.object.get("areas")?.get(area)?.get("action")
    }

    /// Whether something taken is due.
    fn has_due(&self, now: DateTime<Utc>) -> bool {
        self.waiting.iter().any(|(at, _)| *at <= now)
    }

    /// Does what is due of the changes taken; `friends` are those it can reach now.
    fn settle(&mut self, now: DateTime<Utc>, friends: &HashSet<UserId>) {
        let (due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|(at, _)| *at <= now);
        self.waiting = waiting;
        for (_, change) in due {
            self.carry_out(change, friends);
        }
    }
}

fn without_image() -> Refusal {
    Refusal::Particular { status: 400, message: "must upload richmenu image before applying it to user" }
}
