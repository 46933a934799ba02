//! LINE's side: `POST /line/webhooks/{webhook_key}`, HTTP/1.1 and HTTP/2, every wait with an end.

mod door;

pub(crate) use door::{Door, Limits};
