//! The yellow bar (F-28): while something waits for a staff member, unread or put off (F-29), the member's chat with the staff
//! account shows another rich menu than it does otherwise.
//!
//! What LINE shows is known as far as it was told: a switch is `Unknown` from before the call until its outcome is written, so
//! that a process which dies in between leaves nobody with the wrong menu. Switching to what is shown already changes nothing.

pub mod menu;

use std::collections::BTreeMap;

/// What a staff member is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bar {
    /// Nothing waits: the account's default menu.
    Plain,
    /// Something waits: the menu with the yellow bar.
    Unread,
}

impl Bar {
    /// Of a member for whom something waits, or nothing.
    #[must_use]
    pub const fn of(waits: bool) -> Self {
        if waits { Self::Unread } else { Self::Plain }
    }
}

/// What LINE shows somebody, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Not known: never set, or a call whose outcome nobody wrote.
    Unknown,
    /// No menu of their own, so the default.
    Default,
    /// The menu with this ID.
    Menu(String),
}

/// Whether what was asked for is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settling {
    /// It is.
    Done,
    /// LINE took it and does it within the next seconds; another call now might be overtaken by it.
    UnderWay,
    /// It should be by now; LINE is to be asked.
    ToCheck,
}

/// What is known of one LINE user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What LINE shows or was asked to show.
    pub shown: Shown,
    /// Whether it does already.
    pub settling: Settling,
}

/// What is to be done. No LINE user is in two of the lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<U> {
    /// To be given the menu with the bar.
    pub link: Vec<U>,
    /// To be given none of their own.
    pub unlink: Vec<U>,
    /// To be asked for.
    pub check: Vec<U>,
    /// Nobody's any more, and without a menu of their own: no more need be known of them.
    pub forget: Vec<U>,
    /// Whether somebody's call is under way.
    pub under_way: bool,
}

impl<U> Default for Plan<U> {
    fn default() -> Self {
        Self { link: Vec::new(), unlink: Vec::new(), check: Vec::new(), forget: Vec::new(), under_way: false }
    }
}

impl<U> Plan<U> {
    /// Whether LINE need be called.
    #[must_use]
    pub fn calls(&self) -> bool {
        !(self.link.is_empty() && self.unlink.is_empty() && self.check.is_empty())
    }
}

/// Compares what LINE users are to see with what is known of them. `wanted`: those bound to a staff member; `unread_menu`: the ID
/// of the menu with the bar, none while there is no such menu. Who is known and not wanted any more is left without a menu of
/// their own.
pub fn plan<U: Ord + Clone>(
    wanted: &BTreeMap<U, Bar>,
    known: &BTreeMap<U, Known>,
    unread_menu: Option<&str>,
) -> Plan<U> {
    let mut plan = Plan::default();
    let strangers = known.keys().filter(|user| !wanted.contains_key(user));
    for user in wanted.keys().chain(strangers) {
        let (bar, known) = (wanted.get(user), known.get(user));
        match known.map_or(Settling::Done, |known| known.settling) {
            Settling::UnderWay => {
                plan.under_way = true;
                continue;
            }
            Settling::ToCheck => {
                plan.check.push(user.clone());
                continue;
            }
            Settling::Done => {}
        }
        let shown = known.map_or(&Shown::Unknown, |known| &known.shown);
        match (bar, unread_menu) {
            (Some(Bar::Unread), Some(menu)) if !matches!(shown, Shown::Menu(id) if id == menu) => {
                plan.link.push(user.clone());
            }
            (Some(Bar::Plain) | None, _) if *shown != Shown::Default => plan.unlink.push(user.clone()),
            (Some(Bar::Unread | Bar::Plain), _) => {}
            (None, _) => plan.forget.push(user.clone()),
        }
    }
    plan
}

/// Up to so many users are switched one by one, which LINE does at once; more of them together, which takes it some seconds.
pub const SINGLY: usize = 20;

/// Whether so many users are switched together.
#[must_use]
pub const fn in_bulk(users: usize) -> bool {
    users > SINGLY
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MENU: &str = "richmenu-new";

    fn shown() -> impl Strategy<Value = Shown> {
        prop_oneof![
            Just(Shown::Unknown),
            Just(Shown::Default),
            prop::sample::select(vec![MENU, "richmenu-old"]).prop_map(|id| Shown::Menu(id.to_owned())),
        ]
    }

    fn known() -> impl Strategy<Value = BTreeMap<u8, Known>> {
        let settling =
            prop::sample::select(vec![Settling::Done, Settling::Done, Settling::UnderWay, Settling::ToCheck]);
        let one = (shown(), settling).prop_map(|(shown, settling)| Known { shown, settling });
        prop::collection::btree_map(0..12u8, one, 0..12)
    }

    fn wanted() -> impl Strategy<Value = BTreeMap<u8, Bar>> {
        prop::collection::btree_map(0..12u8, any::<bool>().prop_map(Bar::of), 0..12)
    }

    /// What is known once LINE has done what was planned and answered what it was asked.
    fn done(known: &BTreeMap<u8, Known>, plan: &Plan<u8>) -> BTreeMap<u8, Known> {
        let mut after = known.clone();
        for (users, shown) in [(&plan.link, Shown::Menu(MENU.to_owned())), (&plan.unlink, Shown::Default)] {
            for user in users {
                after.insert(*user, Known { shown: shown.clone(), settling: Settling::Done });
            }
        }
        after.retain(|user, _| !plan.forget.contains(user));
        for known in after.values_mut() {
            known.settling = Settling::Done;
        }
        after
    }

    #[test]
    fn the_bar_is_shown_while_something_waits_and_a_switch_that_nobody_wrote_is_made_again() {
        let plan_of = |bar, shown| {
            let known = BTreeMap::from([(1, Known { shown, settling: Settling::Done })]);
            let plan = plan(&BTreeMap::from([(1, bar)]), &known, Some(MENU));
            (plan.link, plan.unlink)
        };
        let new = || Shown::Menu(MENU.to_owned());
        assert_eq!(plan_of(Bar::Unread, Shown::Default), (vec![1], vec![]));
        assert_eq!(plan_of(Bar::Unread, new()), (vec![], vec![]));
        assert_eq!(plan_of(Bar::Unread, Shown::Menu("richmenu-lost".to_owned())), (vec![1], vec![]));
        assert_eq!(plan_of(Bar::Unread, Shown::Unknown), (vec![1], vec![]));
        assert_eq!(plan_of(Bar::Plain, new()), (vec![], vec![1]));
        assert_eq!(plan_of(Bar::Plain, Shown::Unknown), (vec![], vec![1]));
        assert_eq!(plan_of(Bar::Plain, Shown::Default), (vec![], vec![]));
    }

    #[test]
    fn who_is_bound_no_more_is_left_without_a_menu_and_then_forgotten() {
        let known = |shown| BTreeMap::from([(1, Known { shown, settling: Settling::Done })]);
        let nobody = BTreeMap::new();
        assert_eq!(plan(&nobody, &known(Shown::Menu(MENU.to_owned())), None).unlink, [1]);
        assert_eq!(plan(&nobody, &known(Shown::Default), None), Plan { forget: vec![1], ..Plan::default() });
    }

    #[test]
    fn without_a_menu_nobody_is_given_one() {
        let wanted = BTreeMap::from([(1, Bar::Unread)]);
        assert!(!plan(&wanted, &BTreeMap::new(), None).calls());
    }

    proptest! {
        /// Once what was planned is done, everybody sees what they are to see, and nothing more is planned.
        #[test]
        fn a_plan_reaches_what_is_wanted_and_needs_no_second_one(wanted in wanted(), known in known()) {
            let mut known = known;
            // At most: checked, then switched, then forgotten.
            for _ in 0..3 {
                let plan = plan(&wanted, &known, Some(MENU));
                known = done(&known, &plan);
            }
            prop_assert_eq!(plan(&wanted, &known, Some(MENU)), Plan::default());
            prop_assert_eq!(known.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
            for (user, bar) in &wanted {
                let expected = if *bar == Bar::Unread { Shown::Menu(MENU.to_owned()) } else { Shown::Default };
                prop_assert_eq!(&known[user].shown, &expected);
            }
        }

        /// No user is called for twice at once, nor while an earlier call is under way.
        #[test]
        fn nobody_is_called_for_twice(wanted in wanted(), known in known(), menu: bool) {
            let plan = plan(&wanted, &known, menu.then_some(MENU));
            let mut all = [plan.link, plan.unlink, plan.check, plan.forget].concat();
            let under_way = |user: &u8| known.get(user).is_some_and(|known| known.settling == Settling::UnderWay);
            prop_assert!(!all.iter().any(under_way));
            prop_assert_eq!(plan.under_way, known.keys().any(under_way));
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), count);
        }
    }
}
