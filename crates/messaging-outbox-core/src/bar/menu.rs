//! The two rich menus of a staff account: what they say, what a tap does, and how they are found again at LINE.
//!
//! LINE gives a menu an ID that it never says again, so a menu is known by its name, which carries a print of all it is made of:
//! one of another print is an earlier one of ours and is replaced; a name that is not of this form is somebody else's menu.

use line_types::api::{RichMenu, RichMenuArea, RichMenuBounds, RichMenuKnown, RichMenuSize};
use line_types::id::RichMenuId;
use line_types::message::Action;
use serde_json::json;
use uuid::Uuid;

/// Size of both menus and of their images, in pixels.
pub const SIZE: RichMenuSize = RichMenuSize { width: 1_200, height: 405 };
/// What a tap writes where no page is set.
pub const ASK: &str = "未読を見る";
/// How names of ours begin.
const PREFIX: &str = "tsunagi-bar/";
/// The space of prints.
const PRINTS: Uuid = Uuid::from_u128(0x6f0b_9a57_2c1e_4d83_8e55_0b7d_31a4_c2f9);

/// One of the two menus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The account's default.
    Plain,
    /// The one with the yellow bar.
    Unread,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Unread];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Unread => "unread",
        }
    }

    /// What the bar at the foot of the chat says.
    const fn chat_bar(self) -> &'static str {
        match self {
            Self::Plain => "メニュー",
            Self::Unread => "未読メッセージがあります",
        }
    }
}

/// A menu as it is to be at LINE. `page`: the staff's web page, http or https, at most 1,000 characters; none: a tap writes
/// [`ASK`]. `image`: its image.
#[must_use]
pub fn menu(kind: Kind, page: Option<&str>, image: &[u8]) -> RichMenu {
    let label = Some(ASK.to_owned());
    let action = match page {
        Some(page) => Action::Uri { label, uri: page.to_owned() },
        None => Action::Message { label, text: ASK.to_owned() },
    };
    let RichMenuSize { width, height } = SIZE;
    let bounds = RichMenuBounds { x: 0, y: 0, width, height };
    let mut menu = RichMenu {
        size: SIZE,
        // The bar is to be seen without a tap; the plain menu leaves the room to the chat.
        selected: kind == Kind::Unread,
        name: String::new(),
        chat_bar_text: kind.chat_bar().to_owned(),
        areas: vec![RichMenuArea { bounds, action: json!(action) }],
    };
    let print = Uuid::new_v5(&PRINTS, &[json!(menu).to_string().as_bytes(), image].concat());
    menu.name = format!("{PREFIX}{}/{}", kind.name(), &print.simple().to_string()[..16]);
    menu
}

/// Which of the menus at LINE are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The one with the first name looked for.
    pub first: Option<RichMenuId>,
    /// The one with the second.
    pub second: Option<RichMenuId>,
    /// Earlier ones, and such as were made twice.
    pub old: Vec<RichMenuId>,
}

/// Looks for the menus with two names among those LINE lists. Of several with one name, made by a call whose answer was lost,
/// the first listed is taken.
#[must_use]
pub fn find(listed: &[RichMenuKnown], names: [&str; 2]) -> Found {
    let mut found = Found { first: None, second: None, old: Vec::new() };
    for known in listed.iter().filter(|known| known.menu.name.starts_with(PREFIX)) {
        let place = match &*known.menu.name {
            name if name == names[0] => &mut found.first,
            name if name == names[1] => &mut found.second,
            _ => {
                found.old.push(known.rich_menu_id.clone());
                continue;
            }
        };
        if place.is_none() {
            *place = Some(known.rich_menu_id.clone());
        } else {
            found.old.push(known.rich_menu_id.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_types::rich_menu::check;
    use proptest::prelude::*;

    fn known(id: usize, name: &str) -> RichMenuKnown {
        let menu = RichMenu { name: name.to_owned(), ..menu(Kind::Plain, None, b"") };
        RichMenuKnown { rich_menu_id: RichMenuId::parse(&format!("richmenu-{id}")).unwrap(), menu }
    }

    #[test]
    fn line_takes_both_menus_with_and_without_a_page() {
        let longest = format!("https://staff.example.com/{}", "a".repeat(1_000 - 26));
        for kind in Kind::ALL {
            for page in [None, Some("https://staff.example.com/unread"), Some(&*longest)] {
                assert_eq!(check(&json!(menu(kind, page, b"image"))), [], "{kind:?}");
            }
        }
    }

    #[test]
    fn a_name_changes_with_everything_that_can_be_seen_and_with_nothing_else() {
        let name = |kind, page, image: &[u8]| menu(kind, page, image).name;
        let first = name(Kind::Unread, None, b"image");
        assert_eq!(name(Kind::Unread, None, b"image"), first);
        for other in [
            name(Kind::Plain, None, b"image"),
            name(Kind::Unread, Some("https://staff.example.com"), b"image"),
            name(Kind::Unread, None, b"another image"),
        ] {
            assert_ne!(other, first);
        }
    }

    proptest! {
        /// Whatever LINE lists: menus of others are left alone, and each of ours is either taken or old.
        #[test]
        fn each_menu_of_ours_is_taken_or_old_and_nobody_elses_is_touched(
            names in prop::collection::vec(prop::sample::select(vec!["tsunagi-bar/a", "tsunagi-bar/b", "tsunagi-bar/c", "Menu"]), 0..12),
        ) {
            let listed: Vec<_> = names.iter().enumerate().map(|(id, name)| known(id, name)).collect();
            let found = find(&listed, ["tsunagi-bar/a", "tsunagi-bar/b"]);
            let ours = names.iter().filter(|name| name.starts_with(PREFIX)).count();
            let taken = usize::from(found.first.is_some()) + usize::from(found.second.is_some());
            prop_assert_eq!(taken + found.old.len(), ours);
            prop_assert_eq!(found.first.is_some(), names.contains(&"tsunagi-bar/a"));
            prop_assert_eq!(found.second.is_some(), names.contains(&"tsunagi-bar/b"));
            let name = |id: &RichMenuId| &listed.iter().find(|known| known.rich_menu_id == *id).unwrap().menu.name;
            prop_assert!(found.first.iter().all(|id| name(id) == "tsunagi-bar/a"));
            prop_assert!(found.old.iter().all(|id| name(id).starts_with(PREFIX)));
        }
    }
}
