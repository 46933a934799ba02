#![doc = include_str!("../README.md")]

pub mod account;
pub mod activity;
mod address;
mod customer;
mod friend;
pub mod friendship;
mod grant;
mod organization;
mod person;
mod phone;
pub mod principal;
pub mod profile;
mod right;
mod service_principal;
mod staff;
mod standing;
mod tenant;
mod text;
mod unfit;

pub use address::{Address, AddressKind};
pub use customer::{Customer, MAX_ADDRESSES, MAX_PHONES, check_addresses, check_phones};
pub use friend::{Age, FriendAttributes, Gender, MobileNumber};
pub use grant::{GrantRefusal, Granter};
pub use organization::Organization;
pub use person::{BirthDate, NamePart, PersonName, Reading};
pub use phone::{CallingRegion, Phone, PhoneKind};
pub use right::{Right, Rights};
pub use service_principal::{SERVICE_PRINCIPALS, ServicePrincipal, operator_rights};
pub use staff::{MAX_ORGANIZATIONS, StaffMember};
pub use standing::Standing;
pub use tenant::{Tenant, TimeZone};
pub use text::{ExternalReference, Line};
pub use unfit::Unfit;
