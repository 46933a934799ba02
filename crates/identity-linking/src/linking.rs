//! Linking LINE users to customers: what LINE users, staff and internal services do about links, one module per way. What follows
//! from what is decided in `identity-linking-core`; here it is looked up, kept and told, each in one transaction.
//!
//! Whoever locks, locks in this order: the form token, the attempt that waits for LINE's word, the LINE users by their IDs, the
//! reference of a submitted activity, the keys of names and numbers, the customers by their IDs, then what is about them: held
//! attempts, take-over requests, suspicions, links; last the LINE user IDs that tell of providers, and what they tell.

pub(crate) mod acts;
pub(crate) mod address;
pub(crate) mod answer;
pub(crate) mod confirmation;
pub(crate) mod decision;
pub(crate) mod first_message;
pub(crate) mod form;
pub(crate) mod form_token;
pub(crate) mod ledger;
pub(crate) mod made;
pub(crate) mod merge;
pub(crate) mod review;
pub(crate) mod submission;
pub(crate) mod sweep;
pub(crate) mod takeover;
pub(crate) mod telling;

use std::sync::Arc;

use url::Url;

use self::address::AddressKeys;

use crate::gateway::Gateway;
use crate::registry::Registry;

/// What linking works with.
pub(crate) struct Desk {
    /// The database, the clock and the keys.
    pub(crate) registry: Registry,
    /// The way to LINE.
    pub(crate) gateway: Arc<Gateway>,
    /// The public address of the form pages, without a path.
    pub(crate) pages_url: Url,
    /// LINE's login host, where the account-link dialog is.
    pub(crate) line_login_url: Url,
    /// What addresses of browsers are hashed with.
    pub(crate) address_keys: AddressKeys,
}
