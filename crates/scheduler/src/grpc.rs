//! The gRPC services, one module per capability. Each method reads its request into values that cannot be wrong, does one
//! transaction, and tells how the thing stands then.

mod digest;
mod refusal;
mod reminder;
mod timer;

pub(crate) use digest::Digests;
pub(crate) use reminder::Reminders;
pub(crate) use timer::Timers;
