//! Who may give whom which rights (F-80). Pure: the holder's own rights, the rights before and after, and nothing else.

use crate::{Right, Rights};

/// Who changes somebody's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granter {
    /// What the granter may do: for a call with a staff assertion, what both the program and the staff member may.
    pub rights: Rights,
    /// Whether the granter sees everything of the tenant: an administrator, or a program on whose behalf nobody acts.
    pub sees_everything: bool,
}

/// Why rights are not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// Only principals of the platform may hold it, however it is asked for.
    #[error("{} is for the platform's own principals", .0.as_str())]
    PlatformOnly(Right),
    /// Giving or taking it needs [`Right::Master`].
    #[error("{} needs MASTER to be given or taken", .0.as_str())]
    NeedsMaster(Right),
    /// Nobody gives what they do not hold.
    #[error("{} is not held by who gives it", .0.as_str())]
    NotHeld(Right),
    /// Nobody makes an administrator who does not see everything.
    #[error("administrators are made by administrators")]
    AdministratorNotHeld,
}

impl Granter {
    /// Decides whether the granter may turn a tenant's principal or staff member from `before` to `after`.
    ///
    /// # Errors
    /// The first rule that is broken: platform rights, then the master's rights, then rights not held.
    pub fn may_change(&self, before: &Rights, after: &Rights) -> Result<(), GrantRefusal> {
        let given = || after.difference(before).copied();
        let changed = || after.symmetric_difference(before).copied();
        if let Some(right) = given().find(|right| right.is_platform_only()) {
            return Err(GrantRefusal::PlatformOnly(right));
        }
        if !self.rights.contains(&Right::Master)
            && let Some(right) = changed().find(|right| right.needs_master())
        {
            return Err(GrantRefusal::NeedsMaster(right));
        }
        match given().find(|right| !self.rights.contains(right)) {
            Some(right) => Err(GrantRefusal::NotHeld(right)),
            None => Ok(()),
        }
    }

    /// Decides whether the granter may suspend a tenant or end that: the platform's word, not the tenant's.
    ///
    /// # Errors
    /// When that changes and the granter does not manage tenants.
    pub fn may_change_suspension(&self, before: bool, after: bool) -> Result<(), GrantRefusal> {
        if before == after || self.rights.contains(&Right::TenantsManage) {
            Ok(())
        } else {
            Err(GrantRefusal::NotHeld(Right::TenantsManage))
        }
    }

    /// Decides whether the granter may make an administrator, or end somebody's being one.
    ///
    /// # Errors
    /// When that changes and the granter neither sees everything nor is the master.
    pub fn may_change_administrator(&self, before: bool, after: bool) -> Result<(), GrantRefusal> {
        if before == after || self.sees_everything || self.rights.contains(&Right::Master) {
            Ok(())
        } else {
            Err(GrantRefusal::AdministratorNotHeld)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rights(of: &[Right]) -> Rights {
        of.iter().copied().collect()
    }

    fn granter(of: &[Right]) -> Granter {
        Granter { rights: rights(of), sees_everything: false }
    }

    #[test]
    fn the_right_to_see_line_user_ids_comes_from_a_master_only() {
        let wanted = rights(&[Right::LineUserIdRead]);
        let manager = granter(&[Right::StaffManage, Right::LineUserIdRead]);
        assert_eq!(manager.may_change(&rights(&[]), &wanted), Err(GrantRefusal::NeedsMaster(Right::LineUserIdRead)));
        assert_eq!(manager.may_change(&wanted, &rights(&[])), Err(GrantRefusal::NeedsMaster(Right::LineUserIdRead)));
        assert_eq!(manager.may_change(&wanted, &wanted), Ok(()));
        let master = granter(&[Right::Master, Right::LineUserIdRead]);
        assert_eq!(master.may_change(&rights(&[]), &wanted), Ok(()));
    }

    #[test]
    fn nobody_gives_what_they_do_not_hold_but_anybody_may_take_it() {
        let manager = granter(&[Right::StaffManage]);
        let held = rights(&[Right::MessagesSend]);
        assert_eq!(manager.may_change(&rights(&[]), &held), Err(GrantRefusal::NotHeld(Right::MessagesSend)));
        assert_eq!(manager.may_change(&held, &rights(&[])), Ok(()));
    }

    #[test]
    fn platform_rights_are_never_given_inside_a_tenant() {
        let all = Granter { rights: Right::ALL.iter().copied().collect(), sees_everything: true };
        for right in Right::ALL.iter().copied().filter(|right| right.is_platform_only()) {
            assert_eq!(all.may_change(&rights(&[]), &rights(&[right])), Err(GrantRefusal::PlatformOnly(right)));
        }
    }

    #[test]
    fn administrators_are_made_by_who_sees_everything() {
        let manager = granter(&[Right::StaffManage]);
        assert_eq!(manager.may_change_administrator(false, true), Err(GrantRefusal::AdministratorNotHeld));
        assert_eq!(manager.may_change_administrator(true, false), Err(GrantRefusal::AdministratorNotHeld));
        assert_eq!(manager.may_change_administrator(true, true), Ok(()));
        assert!(Granter { sees_everything: true, ..manager }.may_change_administrator(false, true).is_ok());
    }

    #[test]
    fn a_tenant_does_not_end_its_own_suspension() {
        let tenant = granter(&[Right::AccountsManage, Right::Master]);
        assert_eq!(tenant.may_change_suspension(true, false), Err(GrantRefusal::NotHeld(Right::TenantsManage)));
        assert_eq!(tenant.may_change_suspension(true, true), Ok(()));
        assert_eq!(granter(&[Right::TenantsManage]).may_change_suspension(true, false), Ok(()));
    }

    fn any_rights() -> impl Strategy<Value = Rights> {
        proptest::sample::subsequence(Right::ALL, 0..=Right::ALL.len()).prop_map(|picked| picked.into_iter().collect())
    }

    proptest! {
        #[test]
        fn no_change_ever_makes_more_rights_than_there_were(own in any_rights(), before in any_rights(), after in any_rights()) {
            let granter = Granter { rights: own.clone(), sees_everything: false };
            if granter.may_change(&before, &after).is_ok() {
                let allowed: Rights = before.union(&own).copied().collect();
                prop_assert!(after.is_subset(&allowed));
                let master_rights_changed = before.symmetric_difference(&after).any(|right| right.needs_master());
                prop_assert!(!master_rights_changed || own.contains(&Right::Master));
            }
        }

        #[test]
        fn leaving_rights_as_they_are_is_always_allowed(own in any_rights(), same in any_rights()) {
            let granter = Granter { rights: own, sees_everything: false };
            prop_assert_eq!(granter.may_change(&same, &same), Ok(()));
        }
    }
}
