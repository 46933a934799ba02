//! The digest (F-27, F-29, L-12): one for each staff member and slot, and it leaves nothing out that the member sees.

mod content;
mod once;
mod reach;
mod refused;
pub(crate) mod slot;
