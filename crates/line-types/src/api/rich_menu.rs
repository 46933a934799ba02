//! Rich menus: what is created, listed and linked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{RichMenuId, UserId};

/// `POST /v2/bot/richmenu`: <https://developers.line.biz/en/reference/messaging-api/#rich-menu-object>. Its limits are in
/// [`crate::rich_menu::check`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RichMenu {
    /// Size of the menu and of its image, in pixels.
    pub size: RichMenuSize,
    /// Whether the menu is open when the chat is opened.
    pub selected: bool,
    /// Its name, at most 300 characters; users never see it.
    pub name: String,
    /// What the bar at the foot of the chat says, at most 14 characters.
    pub chat_bar_text: String,
    /// What can be tapped, at most 20 places.
    pub areas: Vec<RichMenuArea>,
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichMenuSize {
    /// 800 to 2,500.
    pub width: u32,
    /// At least 250, and the width at least 1.45 times as much.
    pub height: u32,
}

/// A place that can be tapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichMenuArea {
    /// Where.
    pub bounds: RichMenuBounds,
    /// What a tap does: an [`Action`](crate::message::Action) as JSON.
    pub action: Value,
}

/// A rectangle of the menu, in pixels of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichMenuBounds {
    /// From the left edge.
    pub x: u32,
    /// From the top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A menu LINE knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RichMenuKnown {
    /// LINE's name for it.
    pub rich_menu_id: RichMenuId,
    /// The menu.
    #[serde(flatten)]
    pub menu: RichMenu,
}

/// `GET /v2/bot/richmenu/list`: the menus made by the API, not those of LINE's own manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichMenuList {
    /// At most 1,000.
    pub richmenus: Vec<RichMenuKnown>,
}

/// The answer to creating a menu, and to asking for a user's or the default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RichMenuCreated {
    /// LINE's name for it.
    pub rich_menu_id: RichMenuId,
}

/// `POST /v2/bot/richmenu/bulk/link`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RichMenuBulkLink {
    /// The menu to show.
    pub rich_menu_id: RichMenuId,
    /// To whom: 1 to 500.
    pub user_ids: Vec<UserId>,
}

/// `POST /v2/bot/richmenu/bulk/unlink`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RichMenuBulkUnlink {
    /// Whose menu of their own goes: 1 to 500.
    pub user_ids: Vec<UserId>,
}
