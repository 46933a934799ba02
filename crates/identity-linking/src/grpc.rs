//! The gRPC services, one module per capability. Each method reads its request into values that cannot be wrong, does one
//! transaction, and tells how the thing stands then.

mod account;
mod activity;
mod credential;
mod customer;
mod etag;
mod fields;
mod friend;
mod granter;
mod mask;
mod organization;
mod person;
mod principal;
mod provider;
mod refusal;
mod repeat;
mod replica;
mod staff;
mod tenant;

pub(crate) use account::Accounts;
pub(crate) use customer::Customers;
pub(crate) use friend::Friends;
pub(crate) use principal::Principals;
pub(crate) use replica::Replicas;
pub(crate) use staff::StaffAndOrganizations;
pub(crate) use tenant::Tenants;
