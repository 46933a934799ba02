//! Staff on LINE: who writes to the staff account, who of them is staff, and how staff can be reached.
//!
//! Whoever locks, locks in this order: the LINE user as the staff account knows him, the attempt that waits for LINE's word, then the
//! staff member, whose row stands for the contact and the invitations, too. On an account of the operator's the first two are rows of
//! its tenant, and a guest's share and then its staff member come after them; whoever begins at a guest locks nothing of that tenant's.

pub(crate) mod bind;
pub(crate) mod contact;
pub(crate) mod form;
pub(crate) mod invitation;
pub(crate) mod share;
pub(crate) mod stranger;
pub(crate) mod visitor;
