//! How each thing is told to other services: whole, with its version.

mod account;

use contracts::events::v1::{
    ActivityReplica, AssertionKey, Assurance as WireAssurance, CustomerReplica, FriendshipReplica,
    FriendshipState as WireState, InquiryReplica, InquiryState as WireInquiryState, LineUserReplica, LinkPolicyReplica,
    LinkReplica, OrganizationReplica, PrincipalReplica, StaffAccountShareReplica, StaffContactReplica, StaffReplica,
    TenantReplica,
};
use contracts::timestamp;
use identity_linking_core::friendship::FriendshipState;
use identity_linking_core::inquiry::{Inquiry, InquiryState};
use identity_linking_core::link::Link;
use identity_linking_core::matching::Assurance;
use identity_linking_core::staff::{EmailAddress, ShareState, reach};
use identity_linking_core::{Line, Organization, StaffMember, Tenant};
use kernel::{AccountId, FriendId, InquiryId, LinkId, OrganizationId, StaffId, TenantId};
use line_types::id::UserId;
use uuid::Uuid;

use crate::postgres::Stored;
use crate::postgres::activity::StoredActivity;
use crate::postgres::customer::StoredCustomer;
use crate::postgres::friend::StoredLineUser;
use crate::postgres::friendship::StoredFriendship;
use crate::postgres::link_policy::StoredPolicy;
use crate::postgres::principal::StoredPrincipal;
use crate::postgres::staff_account_share::StoredShare;
use crate::postgres::staff_contact::StoredContact;
use crate::right;

pub(crate) use account::{account, credential_place, purpose, secret_place, state as account_state};

/// A tenant.
pub(crate) fn tenant(tenant: &Stored<TenantId, Tenant>) -> TenantReplica {
    TenantReplica {
        tenant_id: tenant.id.to_string(),
        version: tenant.version,
        time_zone: tenant.value.time_zone.name().to_owned(),
        suspended: tenant.value.suspended,
        line_tab_close_time: tenant.value.gate.close_time(tenant.value.time_zone).map(contracts::timestamp),
    }
}

/// A tenant's policy on links.
pub(crate) fn link_policy(policy: &StoredPolicy) -> LinkPolicyReplica {
    LinkPolicyReplica {
        version: policy.version,
        least_reminder_assurance: assurance(policy.value.least.reminder).into(),
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

/// How a staff member can be reached.
pub(crate) fn staff_contact(staff: &Stored<StaffId, StaffMember>, contact: &StoredContact) -> StaffContactReplica {
    let reach = reach(&staff.value, contact.line.as_ref());
    StaffContactReplica {
        staff_id: staff.id.to_string(),
        version: contact.version,
        email_address: reach.email_address.map(EmailAddress::as_str).unwrap_or_default().to_owned(),
        account_id: optional(reach.account),
        line_user_id: reach.user.map(UserId::as_str).unwrap_or_default().to_owned(),
    }
}

/// A tenant's share in a staff account of the operator's.
pub(crate) fn staff_account_share(share: &StoredShare, tenant_name: &Line<200>) -> StaffAccountShareReplica {
    StaffAccountShareReplica {
        account_id: share.value.account.to_string(),
        version: share.version,
        home_tenant_id: share.value.home.to_string(),
        used: share.value.state == ShareState::Used,
        monthly_push_limit: share.value.push_limit.number(),
        tenant_display_name: tenant_name.as_str().to_owned(),
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
pub(crate) fn customer(customer: &StoredCustomer) -> CustomerReplica {
    let StoredCustomer { stored, merged_into, .. } = customer;
    CustomerReplica {
        customer_id: stored.id.to_string(),
        version: stored.version,
        family_name: stored.value.name.family().to_owned(),
        given_name: stored.value.name.given().to_owned(),
        organization_id: optional(stored.value.organization),
        erased: false,
        merged_into: merged_into.map(|id| id.to_string()).unwrap_or_default(),
    }
}

/// A link of the LINE user `line_user_id`.
pub(crate) fn link(link: &Stored<LinkId, Link>, line_user_id: &UserId) -> LinkReplica {
    LinkReplica {
        link_id: link.id.to_string(),
        version: link.version,
        customer_id: link.value.customer.to_string(),
        provider_id: link.value.provider.to_string(),
        line_user_id: line_user_id.as_str().to_owned(),
        assurance: assurance(link.value.assurance).into(),
        create_time: Some(timestamp(link.create_time)),
        end_time: link.value.end.map(|end| timestamp(end.time)),
    }
}

/// How sure a link is, on the wire.
pub(crate) fn assurance(assurance: Assurance) -> WireAssurance {
    match assurance {
        Assurance::Name => WireAssurance::Name,
        Assurance::NameAndMobile => WireAssurance::NameAndMobile,
        Assurance::Proven => WireAssurance::Proven,
    }
}

/// An inquiry of the LINE user `line_user_id`.
pub(crate) fn inquiry(inquiry: &Stored<InquiryId, Inquiry>, line_user_id: &UserId) -> InquiryReplica {
    InquiryReplica {
        inquiry_id: inquiry.id.to_string(),
        version: inquiry.version,
        account_id: inquiry.value.account.to_string(),
        line_user_id: line_user_id.as_str().to_owned(),
        name: inquiry.value.name.as_str().to_owned(),
        text: inquiry.value.text.as_str().to_owned(),
        submit_time: Some(timestamp(inquiry.create_time)),
        state: match inquiry.value.state {
            InquiryState::Unconfirmed => WireInquiryState::Unconfirmed,
            InquiryState::Confirmed => WireInquiryState::Confirmed,
            InquiryState::Refuted => WireInquiryState::Refuted,
        }
        .into(),
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
pub(crate) fn optional(id: Option<impl std::fmt::Display>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// A line's text; empty for none.
pub(crate) fn text<const MAX: usize>(line: Option<&Line<MAX>>) -> String {
    line.map(|line| line.as_str().to_owned()).unwrap_or_default()
}
