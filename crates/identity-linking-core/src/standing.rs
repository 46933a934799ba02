//! What somebody of a tenant is and may do, so far as giving and taking it is a question of rights: staff and programs alike.

use std::collections::BTreeSet;

use kernel::OrganizationId;

use crate::principal::Principal;
use crate::{Right, Rights, StaffMember};

/// How somebody of the tenant stands. Who is not there yet, or not any more, stands as [`Standing::default`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What they may do, once they are active.
    pub rights: Rights,
    /// Sees everything of the tenant, once active (F-72): an administrator, or a program.
    pub administrator: bool,
    /// The organizations they work for.
    pub organizations: BTreeSet<OrganizationId>,
    /// May act at all.
    pub active: bool,
}

impl Standing {
    /// What is left of it while they may not act: nothing. Somebody active stands as they are.
    #[must_use]
    pub fn in_force(&self) -> Self {
        if self.active { self.clone() } else { Self::default() }
    }

    /// Whether they hold [`Right::Master`], also while they may not act.
    pub fn is_master(&self) -> bool {
        self.rights.contains(&Right::Master)
    }
}

impl StaffMember {
    /// How the member stands.
    pub fn standing(&self) -> Standing {
        Standing {
            rights: self.rights.clone(),
            administrator: self.administrator,
            organizations: self.organizations.clone(),
            active: self.active,
        }
    }
}

impl Principal {
    /// How the program stands: active until it is revoked. That it expires was decided when it was made. While nobody acts on its
    /// behalf it sees everything of the tenant, as an administrator does, so it is given and taken like one.
    pub fn standing(&self) -> Standing {
        let active = self.revoke_time.is_none();
        Standing { rights: self.rights.clone(), administrator: true, active, ..Standing::default() }
    }
}
