//! The rule of changes: each sentence of it, and what no row of changes can ever come to.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::link::{Plan, PlanGate};
use crate::principal::{Owner, Principal};
use crate::{Line, TimeZone};

fn rights(of: &[Right]) -> Rights {
    of.iter().copied().collect()
}

fn granter(of: &[Right]) -> Granter {
    Granter { rights: rights(of), sees_everything: false, organizations: BTreeSet::new() }
}

fn holder(of: &[Right]) -> Standing {
    Standing { rights: rights(of), active: true, ..Standing::default() }
}

fn nobody() -> Standing {
    Standing::default()
}

fn branch(number: u128) -> OrganizationId {
    Uuid::from_u128(number).into()
}

#[test]
fn the_right_to_see_line_user_ids_comes_from_a_master_only() {
    let wanted = holder(&[Right::LineUserIdRead]);
    let manager = granter(&[Right::StaffManage, Right::LineUserIdRead]);
    let refused = Err(GrantRefusal::NeedsMaster(Right::LineUserIdRead));
    assert_eq!(manager.may_change(&nobody(), &wanted), refused);
    assert_eq!(manager.may_change(&wanted, &holder(&[])), refused);
    assert_eq!(manager.may_change(&wanted, &wanted), Ok(()));
    let master = granter(&[Right::Master, Right::LineUserIdRead]);
    assert_eq!(master.may_change(&nobody(), &wanted), Ok(()));
}

#[test]
fn a_master_is_changed_by_a_master_only() {
    let manager = Granter { sees_everything: true, ..granter(&[Right::StaffManage]) };
    let master = holder(&[Right::Master]);
    let refused = Err(GrantRefusal::NeedsMaster(Right::Master));
    let away = Standing { active: false, ..master.clone() };
    let moved = Standing { organizations: [branch(1)].into(), ..master.clone() };
    let raised = Standing { administrator: true, ..master.clone() };
    for after in [&away, &moved, &raised, &holder(&[]), &nobody(), &master] {
        assert_eq!(manager.may_change(&master, after), refused, "{after:?}");
        assert_eq!(granter(&[Right::Master]).may_change(&master, after), Ok(()), "{after:?}");
    }
    // Nor is one who was deactivated changed, brought back or made by anybody else.
    for (before, after) in [(&away, &master), (&away, &nobody()), (&nobody(), &away)] {
        assert_eq!(manager.may_change(before, after), refused, "{before:?} {after:?}");
    }
}

#[test]
fn nobody_gives_what_they_do_not_hold_but_anybody_may_take_it() {
    let manager = granter(&[Right::StaffManage]);
    let held = holder(&[Right::MessagesSend]);
    let refused = Err(GrantRefusal::NotHeld(Right::MessagesSend));
    assert_eq!(manager.may_change(&nobody(), &held), refused);
    assert_eq!(manager.may_change(&held, &holder(&[])), Ok(()));
    let away = Standing { active: false, ..held.clone() };
    assert_eq!(manager.may_change(&held, &away), Ok(()), "deactivating takes");
    assert_eq!(manager.may_change(&away, &held), refused, "activating gives");
    assert_eq!(manager.may_change(&nobody(), &away), refused, "so does writing down for later");
}

#[test]
fn platform_rights_are_never_given_inside_a_tenant() {
    let all = Granter { sees_everything: true, ..granter(Right::ALL) };
    for right in Right::ALL.iter().copied().filter(|right| right.is_platform_only()) {
        assert_eq!(all.may_change(&nobody(), &holder(&[right])), Err(GrantRefusal::PlatformOnly(right)));
    }
}

#[test]
fn administrators_are_made_and_changed_by_who_sees_everything() {
    let manager = granter(&[Right::StaffManage]);
    let administrator = Standing { administrator: true, ..holder(&[]) };
    let away = Standing { active: false, ..administrator.clone() };
    let over_them = [(&nobody(), &administrator), (&administrator, &holder(&[])), (&administrator, &administrator)];
    for (before, after) in over_them.into_iter().chain([(&administrator, &away), (&away, &administrator)]) {
        assert_eq!(manager.may_change(before, after), Err(GrantRefusal::AdministratorNotHeld), "{before:?} {after:?}");
        let above = Granter { sees_everything: true, ..manager.clone() };
        assert_eq!(above.may_change(before, after), Ok(()));
        assert_eq!(granter(&[Right::Master]).may_change(before, after), Ok(()));
    }
}

#[test]
fn nobody_makes_a_program_that_sees_more_than_they_do() {
    let program = Principal {
        owner: Owner::Tenant(Uuid::from_u128(1).into()),
        display_name: Line::parse("booking").unwrap(),
        rights: rights(&[Right::StaffManage]),
        methods: vec![],
        expire_time: None,
        revoke_time: None,
        assertion_keys: vec![],
    };
    let manager = granter(&[Right::PrincipalsManage, Right::StaffManage]);
    let made = program.standing();
    for (before, after) in [(&nobody(), &made), (&made, &made), (&made, &nobody())] {
        assert_eq!(manager.may_change(before, after), Err(GrantRefusal::AdministratorNotHeld), "{before:?} {after:?}");
        let above = Granter { sees_everything: true, ..manager.clone() };
        assert_eq!(above.may_change(before, after), Ok(()));
    }
    // What it could have done with the program: make an administrator.
    let alone = Granter { sees_everything: true, ..granter(&[Right::StaffManage]) };
    let administrator = Standing { administrator: true, ..holder(&[Right::StaffManage]) };
    assert_eq!(alone.may_change(&holder(&[Right::StaffManage]), &administrator), Ok(()));
}

#[test]
fn organizations_are_given_by_who_works_there_or_sees_everything() {
    let manager = Granter { organizations: [branch(1)].into(), ..granter(&[Right::StaffManage]) };
    let at = |number| Standing { organizations: [branch(number)].into(), ..holder(&[]) };
    assert_eq!(manager.may_change(&nobody(), &at(1)), Ok(()));
    assert_eq!(manager.may_change(&at(1), &at(2)), Err(GrantRefusal::OrganizationNotHeld));
    assert_eq!(manager.may_change(&at(2), &at(1)), Ok(()), "anybody may take one");
    let away = Standing { active: false, ..at(2) };
    assert_eq!(manager.may_change(&away, &at(2)), Err(GrantRefusal::OrganizationNotHeld), "activating gives it");
    assert_eq!(Granter { sees_everything: true, ..manager }.may_change(&at(1), &at(2)), Ok(()));
    assert_eq!(granter(&[Right::Master]).may_change(&at(1), &at(2)), Ok(()));
}

#[test]
fn a_tenant_changes_neither_its_suspension_nor_its_plan() {
    let tenant = granter(&[Right::AccountsManage, Right::Master]);
    let before = Tenant {
        display_name: Line::parse("店").unwrap(),
        time_zone: TimeZone::parse("").unwrap(),
        suspended: true,
        gate: PlanGate { plan: Plan::Basic, premium_from: None },
    };
    let released = Tenant { suspended: false, ..before.clone() };
    let premium = Tenant { gate: PlanGate { plan: Plan::Premium, ..before.gate }, ..before.clone() };
    for after in [&released, &premium] {
        assert_eq!(tenant.may_change_contract(&before, after), Err(GrantRefusal::NotHeld(Right::TenantsManage)));
        assert_eq!(granter(&[Right::TenantsManage]).may_change_contract(&before, after), Ok(()));
    }
    assert_eq!(tenant.may_change_contract(&before, &before.clone()), Ok(()));
}

fn any_rights() -> impl Strategy<Value = Rights> {
    proptest::sample::subsequence(Right::ALL, 0..=Right::ALL.len()).prop_map(|picked| picked.into_iter().collect())
}

fn any_branches() -> impl Strategy<Value = BTreeSet<OrganizationId>> {
    proptest::collection::btree_set((0_u128..4).prop_map(branch), 0..4)
}

fn any_granter() -> impl Strategy<Value = Granter> {
    (any_rights(), any::<bool>(), any_branches()).prop_map(|(rights, sees_everything, organizations)| Granter {
        rights,
        sees_everything,
        organizations,
    })
}

fn any_standing() -> impl Strategy<Value = Standing> {
    (any_rights(), any::<bool>(), any_branches(), any::<bool>()).prop_map(
        |(rights, administrator, organizations, active)| Standing { rights, administrator, organizations, active },
    )
}

proptest! {
    #[test]
    fn no_change_ever_makes_more_than_there_was(own in any_granter(), before in any_standing(), after in any_standing()) {
        if own.may_change(&before, &after).is_ok() {
            let (was, is) = (before.in_force(), after.in_force());
            prop_assert!(is.rights.is_subset(&(&was.rights | &own.rights)));
            let above = own.sees_everything || own.rights.contains(&Right::Master);
            prop_assert!(above || !is.administrator);
            prop_assert!(above || is.organizations.is_subset(&(&was.organizations | &own.organizations)));
        }
    }

    /// However many steps it takes, one below the master neither harms nor makes a master, nor moves a right that needs one.
    #[test]
    fn no_way_leads_around_the_master(own in any_granter(), start in any_standing(), steps in proptest::collection::vec(any_standing(), 1..6)) {
        let own = Granter { rights: &own.rights - &rights(&[Right::Master]), ..own };
        let guarded = |standing: &Standing| -> Rights {
            standing.rights.iter().copied().filter(|right| right.needs_master()).collect()
        };
        let mut now = start.clone();
        for step in steps {
            if own.may_change(&now, &step).is_ok() {
                now = step;
            }
        }
        prop_assert!(!start.is_master() || now == start);
        prop_assert_eq!(guarded(&now), guarded(&start));
        prop_assert_eq!(guarded(&now.in_force()), guarded(&start.in_force()));
    }

    /// From nobody on, a granter makes nobody who could do more than the granter.
    #[test]
    fn no_way_leads_above_oneself(own in any_granter(), steps in proptest::collection::vec(any_standing(), 1..6)) {
        let mut now = nobody();
        for step in steps {
            if own.may_change(&now, &step).is_ok() {
                now = step;
            }
        }
        prop_assert!(now.rights.is_subset(&own.rights));
        prop_assert!(!now.administrator || own.sees_everything || own.rights.contains(&Right::Master));
    }

    #[test]
    fn a_master_may_take_everything_from_everybody(before in any_standing(), active: bool) {
        let after = Standing { active: before.active && active, ..before.clone() };
        prop_assert_eq!(granter(&[Right::Master]).may_change(&before, &after), Ok(()));
        prop_assert_eq!(granter(&[Right::Master]).may_change(&before, &nobody()), Ok(()));
    }
}
