//! The one behind a call, once it is known who.

use std::collections::BTreeSet;
use std::sync::Arc;

use contracts::access_proto::v1::Right;
use kernel::{OrganizationId, PrincipalId, Sight, StaffId, TenantId};
use uuid::Uuid;

/// Who calls, and for whom.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Known>);

#[derive(Debug)]
struct Known {
    tenant: Option<TenantId>,
    principal: PrincipalId,
    staff: Option<ActingStaff>,
    rights: BTreeSet<i32>,
}

/// The staff member who acts through a program.
#[derive(Clone, PartialEq, Eq)]
pub struct ActingStaff {
    /// The staff member.
    pub id: StaffId,
    /// Shown beside messages the member sent (F-33). Not for logs.
    pub display_name: String,
    /// Whether the member sees everything of the tenant (F-72).
    pub administrator: bool,
    /// The organizations the member works for.
    pub organization_ids: Vec<OrganizationId>,
}

impl std::fmt::Debug for ActingStaff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActingStaff").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Caller {
    pub(super) fn new(
        tenant: Option<TenantId>,
        principal: PrincipalId,
        staff: Option<ActingStaff>,
        rights: BTreeSet<i32>,
    ) -> Self {
        Self(Arc::new(Known { tenant, principal, staff, rights }))
    }

    /// The caller of a request that came through [`crate::grpc::Server`]. Any other request has a caller who is nobody: the
    /// nil tenant, which has no rows of a tenant's, and no right.
    #[must_use]
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        let nobody = || Self::new(None, PrincipalId::from(Uuid::nil()), None, BTreeSet::new());
        request.extensions().get::<Self>().cloned().unwrap_or_else(nobody)
    }

    /// The tenant the call works in: for methods of `SCOPE_TENANT`. For methods of `SCOPE_PLATFORM` the nil UUID.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.0.tenant.unwrap_or_else(|| TenantId::from(Uuid::nil()))
    }

    /// The program that calls.
    #[must_use]
    pub fn principal(&self) -> PrincipalId {
        self.0.principal
    }

    /// The staff member who acts, when the program says so and its signature is good.
    #[must_use]
    pub fn staff(&self) -> Option<&ActingStaff> {
        self.0.staff.as_ref()
    }

    /// What the caller sees of what belongs to branches (F-72): everything, unless it acts for somebody of the staff who is no
    /// administrator.
    #[must_use]
    pub fn sight(&self) -> Sight {
        let of = |staff: &ActingStaff| Sight::of_staff(staff.administrator, staff.organization_ids.iter().copied());
        self.staff().map_or(Sight::Everything, of)
    }

    /// Whether `self` sees of the tenant what `other` sees: as the same staff member's organizations, or without any.
    pub(super) fn sees_as(&self, other: &Self) -> bool {
        let sight = |staff: &ActingStaff| (staff.administrator, staff.organization_ids.clone());
        self.staff().map(sight) == other.staff().map(sight)
    }

    /// Whether the caller holds `right`: the program, and the staff member too when one acts.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        right != Right::Unspecified && self.0.rights.contains(&right.into())
    }
}
