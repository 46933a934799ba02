//! Organizations (branches) of a tenant. An official account belongs to the whole tenant or to one of them (F-51, F-53, F-56).

use crate::{ExternalReference, Line};

/// An organization of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its name.
    pub display_name: Line<200>,
    /// Its ID in the caller's own system; unique within the tenant.
    pub external_reference: Option<ExternalReference>,
}
