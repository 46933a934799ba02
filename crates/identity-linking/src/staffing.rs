//! Staff on LINE: who writes to the staff account, who of them is staff, and how staff can be reached.
//!
//! Whoever locks, locks in this order: the LINE user as the staff account knows him, the attempt that waits for LINE's word, then the
//! staff member, whose row stands for the contact and the invitations, too.

pub(crate) mod bind;
pub(crate) mod contact;
pub(crate) mod form;
pub(crate) mod invitation;
pub(crate) mod visitor;
