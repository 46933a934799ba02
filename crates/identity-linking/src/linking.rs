//! Linking LINE users to customers.

pub(crate) mod form;

use std::sync::Arc;

use url::Url;

use crate::gateway::Gateway;
use crate::registry::Registry;

/// What a form needs to be opened and submitted.
#[expect(dead_code, reason = "read by what opens and submits forms")]
pub(crate) struct Desk {
    /// The database, the clock and the keys.
    pub(crate) registry: Registry,
    /// The way to LINE.
    pub(crate) gateway: Arc<Gateway>,
    /// The public address of the form pages, without a path.
    pub(crate) pages_url: Url,
    /// LINE's login host, where the account-link dialog is.
    pub(crate) line_login_url: Url,
}
