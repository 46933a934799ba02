//! The gRPC services, one module per capability. Each method reads its request into values that cannot be wrong, does one
//! transaction, and tells how the thing stands then.

mod account;
mod activity;
mod credential;
mod customer;
mod duplicate;
mod friend;
mod granter;
mod line_standing;
mod link;
mod link_attempt;
mod link_policy;
mod merge;
mod organization;
mod person;
mod principal;
mod provider;
mod rebuild;
mod refusal;
mod replica;
mod staff;
mod staff_account;
mod staff_invitation;
mod takeover;
mod tenant;
mod visibility;

use chassis::request::{etag, fields, mask, repeat};

pub(crate) use account::Accounts;
pub(crate) use customer::Customers;
pub(crate) use duplicate::Duplicates;
pub(crate) use friend::Friends;
pub(crate) use link::Links;
pub(crate) use link_attempt::LinkAttempts;
pub(crate) use link_policy::LinkPolicies;
pub(crate) use merge::Merges;
pub(crate) use principal::Principals;
pub(crate) use rebuild::Rebuilds;
pub(crate) use replica::Replicas;
pub(crate) use staff::StaffAndOrganizations;
pub(crate) use staff_account::StaffAccounts;
pub(crate) use takeover::Takeovers;
pub(crate) use tenant::Tenants;
