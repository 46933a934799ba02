//! Who gives rights in a call.

use chassis::auth::Caller;
use identity_linking_core::{Granter, Right, Rights};

use super::fields::Fields;
use crate::right;

/// The caller as somebody who gives rights: a program on whose behalf nobody acts sees everything of the tenant.
pub(crate) fn of(caller: &Caller) -> Granter {
    Granter {
        rights: Right::ALL.iter().copied().filter(|one| caller.has(right::wire(*one))).collect(),
        sees_everything: caller.staff().is_none_or(|staff| staff.administrator),
        organizations: caller.staff().map(|staff| staff.organization_ids.iter().copied().collect()).unwrap_or_default(),
    }
}

/// Reads rights from the wire.
pub(crate) fn rights(fields: &mut Fields, field: &str, wire: &[i32]) -> Option<Rights> {
    fields.take(field, wire.iter().map(|one| right::read(*one).ok_or("hold one that does not exist")).collect())
}
