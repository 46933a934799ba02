//! Reading requests the same way everywhere: their fields, which of them an update changes, which version it was made on, and
//! whether the request came before.

pub mod etag;
pub mod fields;
pub mod mask;
pub mod repeat;
