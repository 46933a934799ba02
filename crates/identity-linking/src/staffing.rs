//! Staff on LINE: who writes to the staff account, who of them is staff, and how staff can be reached.
//!
//! Whoever locks, locks in this order: the LINE user as the staff account knows him, then the staff member, whose row stands for
//! the contact, too.

pub(crate) mod contact;
pub(crate) mod visitor;
