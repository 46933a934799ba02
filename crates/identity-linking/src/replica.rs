//! How each thing is told to other services: whole, with its version.

mod account;

use contracts::events::v1::{
    ActivityReplica, AssertionKey, CustomerReplica, FriendshipReplica, FriendshipState as WireState, LineUserReplica,
    OrganizationReplica, PrincipalReplica, StaffReplica, TenantReplica,
};
use contracts::timestamp;
use identity_linking_core::friendship::FriendshipState;
use identity_linking_core::{Customer, Line, Organization, StaffMember, Tenant};
use kernel::{AccountId, CustomerId, FriendId, OrganizationId, StaffId, TenantId};
use uuid::Uuid;

use crate::postgres::Stored;
use crate::postgres::activity::StoredActivity;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::friendship::StoredFriendship;
use crate::postgres::principal::StoredPrincipal;
use crate::right;

pub(crate) use account::{account, credential_place, secret_place, state as account_state};

/// A tenant.
pub(crate) fn tenant(tenant: &Stored<TenantId, Tenant>) -> TenantReplica {
    TenantReplica {
        tenant_id: tenant.id.to_string(),
        version: tenant.version,
        time_zone: tenant.value.time_zone.name().to_owned(),
        suspended: tenant.value.suspended,
    }
}

/// An organization.
pub(crate) fn organization(organization: &Stored<OrganizationId, Organization>) -> OrganizationReplica {
    OrganizationReplica {
        organization_id: organization.id.to_string(),
        version: organization.version,
        display_name: organization.value.display_name.as_str().to_owned(),
    }
}

/// A staff member.
pub(crate) fn staff(staff: &Stored<StaffId, StaffMember>) -> StaffReplica {
    StaffReplica {
        staff_id: staff.id.to_string(),
        version: staff.version,
        display_name: staff.value.display_name.as_str().to_owned(),
        organization_ids: staff.value.organizations.iter().map(ToString::to_string).collect(),
        rights: right::wires(&staff.value.rights),
        administrator: staff.value.administrator,
        active: staff.value.active,
    }
}

/// A principal.
pub(crate) fn principal(principal: &StoredPrincipal) -> PrincipalReplica {
    let StoredPrincipal { stored, token_hash } = principal;
    let keys = stored.value.assertion_keys.iter();
    PrincipalReplica {
        principal_id: stored.id.to_string(),
        version: stored.version,
        tenant_id: stored.value.owner.tenant().map(|tenant| tenant.to_string()).unwrap_or_default(),
        token_hash: token_hash.to_vec(),
        rights: right::wires(&stored.value.rights),
        methods: stored.value.methods.clone(),
        assertion_keys: keys
            .map(|key| AssertionKey { key_id: key.key_id.as_str().to_owned(), public_key: key.public_key.to_vec() })
            .collect(),
        revoke_time: stored.value.revoke_time.map(timestamp),
        expire_time: stored.value.expire_time.map(timestamp),
    }
}

/// A LINE user.
pub(crate) fn line_user(user: &StoredLineUser) -> LineUserReplica {
    LineUserReplica {
        provider_id: user.provider.to_string(),
        line_user_id: user.line_user_id.as_str().to_owned(),
        version: user.version,
        display_name: user.profile.display_name.clone().unwrap_or_default(),
        picture_url: user.profile.picture_url.clone().unwrap_or_default(),
    }
}

/// A friendship of the LINE user `line_user_id`.
pub(crate) fn friendship(account: AccountId, line_user_id: &str, friendship: &StoredFriendship) -> FriendshipReplica {
    FriendshipReplica {
        account_id: account.to_string(),
        line_user_id: line_user_id.to_owned(),
        version: friendship.version,
        state: friendship_state(friendship.value.state()).into(),
        state_time: Some(timestamp(friendship.value.since())),
    }
}

/// The ID of a friendship as a thing: it follows from both of its sides.
pub(crate) fn friendship_id(account: AccountId, friend: FriendId) -> Uuid {
    Uuid::new_v5(&account.uuid(), friend.uuid().as_bytes())
}

/// A friendship's state on the wire.
pub(crate) fn friendship_state(state: FriendshipState) -> WireState {
    match state {
        FriendshipState::Seen => WireState::Seen,
        FriendshipState::Friend => WireState::Friend,
        FriendshipState::Blocked => WireState::Blocked,
    }
}

/// A customer.
pub(crate) fn customer(customer: &Stored<CustomerId, Customer>) -> CustomerReplica {
    CustomerReplica {
        customer_id: customer.id.to_string(),
        version: customer.version,
        family_name: customer.value.name.family().to_owned(),
        given_name: customer.value.name.given().to_owned(),
        organization_id: optional(customer.value.organization),
        erased: false,
        merged_into: String::new(),
    }
}

/// An activity.
pub(crate) fn activity(activity: &StoredActivity) -> ActivityReplica {
    ActivityReplica {
        activity_id: activity.id.to_string(),
        version: activity.version,
        customer_id: activity.value.customer.to_string(),
        kind: activity.value.kind.as_str().to_owned(),
        state: activity.value.state.as_str().to_owned(),
        start_time: Some(timestamp(activity.value.start)),
        end_time: activity.value.end.map(timestamp),
        external_reference: activity.value.external_reference.as_str().to_owned(),
    }
}

/// An ID's text; empty for none.
pub(crate) fn optional(id: Option<OrganizationId>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// A line's text; empty for none.
pub(crate) fn text<const MAX: usize>(line: Option<&Line<MAX>>) -> String {
    line.map(|line| line.as_str().to_owned()).unwrap_or_default()
}
