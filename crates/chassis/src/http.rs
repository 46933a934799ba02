//! HTTP towards the outside: listeners whose connections, heads, bodies and waits are bounded, whoever is at the other end.

mod body;
mod idle;
mod listener;
mod tls;

pub use body::{Cut, drain, gather};
pub use listener::{Listener, listen};
pub use tls::Tls;
