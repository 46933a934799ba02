//! Variants of kanji as they are found in names: forms of one character that people, registers and keyboards put for each other.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Groups of variants; the first of each stands for all.
const GROUPS: &[&str] = &[
    "高髙",
    "崎﨑碕嵜",
    "辺邊邉",
    "斎齋齊斉",
    "浜濱濵",
    "沢澤",
    "国國",
    "広廣",
    "真眞",
    "桜櫻",
    "徳德",
    "恵惠",
    "島嶋嶌",
];

static REPRESENTATIVES: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let of_group = |group: &'static str| {
        let first = group.chars().next();
        group.chars().skip(1).filter_map(move |variant| first.map(|first| (variant, first)))
    };
    GROUPS.iter().copied().flat_map(of_group).collect()
});

/// The character that stands for all variants of this one.
pub(crate) fn representative(c: char) -> char {
    REPRESENTATIVES.get(&c).copied().unwrap_or(c)
}
