//! LINE's side: `POST /line/webhooks/{webhook_key}`, HTTP/1.1 and HTTP/2, every wait with an end.

mod body;
mod door;
mod idle;
mod listener;

pub(crate) use door::{Door, Limits};
pub(crate) use listener::{Listener, listen};
