//! The gRPC services, one module per capability. Each method reads its request into values that cannot be wrong, does one
//! transaction, and tells how the thing stands then.

mod refusal;
mod timer;

pub(crate) use timer::Timers;
