//! The people who work for a tenant, and how they can be reached.

mod binding;
mod contact;
mod email;
mod invitation;
mod notice;
mod share;

use std::collections::BTreeSet;

use kernel::OrganizationId;

use crate::{ExternalReference, Line, Rights};

pub use binding::{BindCase, BindOutcome, bind, is_good};
pub use contact::{Reach, StaffLine, reach};
pub use email::EmailAddress;
pub use invitation::{
    INVITATION_LIFE, Invitation, InvitationCode, InvitationState, InvitationUsed, ShareCode, WrittenCode,
};
pub use notice::{NoticeKind, QUIET_FOR, is_news};
pub use share::{PushLimit, ShareState, ShareUsed, StaffShare};

/// Most organizations one staff member works for.
pub const MAX_ORGANIZATIONS: usize = 200;

/// Somebody who works for the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffMember {
    /// The name, shown beside sent messages (F-33).
    pub display_name: Line<100>,
    /// The organizations the member works for, at most [`MAX_ORGANIZATIONS`].
    pub organizations: BTreeSet<OrganizationId>,
    /// What the member may do.
    pub rights: Rights,
    /// Sees everything of the tenant, unassigned conversations included (F-72).
    pub administrator: bool,
    /// May act at all.
    pub active: bool,
    /// The ID in the caller's own system; unique within the tenant.
    pub external_reference: Option<ExternalReference>,
    /// Where e-mail reaches the member.
    pub email_address: Option<EmailAddress>,
}
