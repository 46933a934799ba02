//! Who may change what of whom (F-80). Pure: how the changer stands, how somebody stands before and after, and nothing else.
//!
//! One rule for staff and programs, and for every way to change them. Somebody who is not active has what they have on paper only,
//! so activating them gives it, deactivating or revoking takes it, and what is written down for later is given as well:
//!
//! - rights that are the platform's are given to nobody inside a tenant;
//! - [`Right::Master`] and what needs it are given and taken by a master, and a master is changed in no way by anybody else (F-80);
//! - administrators and programs, which see everything, are made, ended and changed by who sees everything, or by a master;
//! - rights are given by who holds them, organizations by who works there or sees everything; anybody may take either.
//!
//! A tenant may end without a master: the platform's operator holds every right and can make one again.

use std::collections::BTreeSet;

use kernel::OrganizationId;

use crate::account::AccountPurpose;
use crate::{Right, Rights, Standing, Tenant};

/// Who changes how somebody stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granter {
    /// What the granter may do: for a call with a staff assertion, what both the program and the staff member may.
    pub rights: Rights,
    /// Whether the granter sees everything of the tenant: an administrator, or a program on whose behalf nobody acts.
    pub sees_everything: bool,
    /// The organizations the granter works for; of no account where the granter sees everything.
    pub organizations: BTreeSet<OrganizationId>,
}

/// Why a change is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// Only principals of the platform may hold it, however it is asked for.
    #[error("{} is for the platform's own principals", .0.as_str())]
    PlatformOnly(Right),
    /// Giving or taking it, or changing who holds it, needs [`Right::Master`].
    #[error("{} needs MASTER to be given or taken", .0.as_str())]
    NeedsMaster(Right),
    /// Nobody gives what they do not hold.
    #[error("{} is not held by who gives it", .0.as_str())]
    NotHeld(Right),
    /// Nobody makes or changes an administrator or a program who does not see everything.
    #[error("administrators and programs are made and changed by administrators")]
    AdministratorNotHeld,
    /// Nobody puts others into an organization they do not work for, unless they see everything.
    #[error("organizations are given by who works there")]
    OrganizationNotHeld,
}

impl Granter {
    /// Decides whether the granter may turn a tenant's staff member or program from `before` to `after`. To be asked before any
    /// change of one, be it the name only: then the two are the same. Creating and deleting are changes from and to
    /// [`Standing::default`].
    ///
    /// # Errors
    /// The first rule that is broken, in the order of [`GrantRefusal`]'s words: platform, master, administrator, rights,
    /// organizations.
    pub fn may_change(&self, before: &Standing, after: &Standing) -> Result<(), GrantRefusal> {
        let changed = Changed::between(before, after);
        if let Some(right) = changed.given.iter().find(|right| right.is_platform_only()) {
            return Err(GrantRefusal::PlatformOnly(*right));
        }
        if !self.is_master() {
            if before.is_master() {
                return Err(GrantRefusal::NeedsMaster(Right::Master));
            }
            if let Some(right) = changed.given.union(&changed.taken).find(|right| right.needs_master()) {
                return Err(GrantRefusal::NeedsMaster(*right));
            }
        }
        if (before.administrator || after.administrator) && !self.stands_above_branches() {
            return Err(GrantRefusal::AdministratorNotHeld);
        }
        if let Some(right) = changed.given.difference(&self.rights).next() {
            return Err(GrantRefusal::NotHeld(*right));
        }
        if !self.stands_above_branches() && !changed.joined.is_subset(&self.organizations) {
            return Err(GrantRefusal::OrganizationNotHeld);
        }
        Ok(())
    }

    /// Decides whether the granter may change what the platform alone says of a tenant: its suspension and its plan (F-35).
    ///
    /// # Errors
    /// When one of them changes and the granter does not manage tenants.
    pub fn may_change_contract(&self, before: &Tenant, after: &Tenant) -> Result<(), GrantRefusal> {
        let changes = (before.suspended, before.gate) != (after.suspended, after.gate);
        if !changes || self.rights.contains(&Right::TenantsManage) {
            Ok(())
        } else {
            Err(GrantRefusal::NotHeld(Right::TenantsManage))
        }
    }

    /// Decides whether the granter may turn an account of one purpose into one of another: the operator alone makes one that serves the
    /// staff of several tenants, or takes that from it.
    ///
    /// # Errors
    /// When one of the two is [`AccountPurpose::SharedStaff`] and the granter does not manage tenants.
    pub fn may_repurpose(&self, before: AccountPurpose, after: AccountPurpose) -> Result<(), GrantRefusal> {
        let is_shared = [before, after].contains(&AccountPurpose::SharedStaff);
        if before == after || !is_shared || self.rights.contains(&Right::TenantsManage) {
            Ok(())
        } else {
            Err(GrantRefusal::NotHeld(Right::TenantsManage))
        }
    }

    fn is_master(&self) -> bool {
        self.rights.contains(&Right::Master)
    }

    fn stands_above_branches(&self) -> bool {
        self.sees_everything || self.is_master()
    }
}

/// What a change gives and takes, on paper or in force.
struct Changed {
    given: Rights,
    taken: Rights,
    joined: BTreeSet<OrganizationId>,
}

impl Changed {
    fn between(before: &Standing, after: &Standing) -> Self {
        let (was, is) = (before.in_force(), after.in_force());
        Self {
            given: &(&after.rights - &before.rights) | &(&is.rights - &was.rights),
            taken: &(&before.rights - &after.rights) | &(&was.rights - &is.rights),
            joined: &(&after.organizations - &before.organizations) | &(&is.organizations - &was.organizations),
        }
    }
}

#[cfg(test)]
mod tests;
