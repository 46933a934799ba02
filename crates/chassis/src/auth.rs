//! Who calls, for whom, and whether they may: tokens of principals and signed assertions about staff, checked in front of
//! every method by the rules the proto files state.

mod assertion;
mod caller;
mod decide;
mod directory;
mod held;
mod layer;
mod load;
pub mod replica;
mod token;

pub use caller::{ActingStaff, Caller};
pub use directory::Directory;
pub use token::{Token, TokenError};

pub(crate) use layer::AuthLayer;
