//! Who calls, for whom, and whether they may.

mod caller;

pub use caller::{ActingStaff, Caller};
