//! Why a value is not taken.

/// Why a value given for a field is not taken: a lowercase fragment that never repeats the value, fit for a
/// `google.rpc.BadRequest` field violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub &'static str);
