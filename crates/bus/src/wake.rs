//! Who waits for the outbox of which schema in this process. A wake-up is a hint: what it wakes looks for itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// One channel per schema and process. It is global because a transaction knows its schema and nothing else of the process;
/// several databases with the same schema in one process, as in tests, only wake each other in vain.
static SCHEMAS: Mutex<BTreeMap<&'static str, watch::Sender<u64>>> = Mutex::new(BTreeMap::new());

fn channel(schema: &'static str) -> watch::Sender<u64> {
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    schemas.entry(schema).or_insert_with(|| watch::Sender::new(0)).clone()
}

/// Says that events of `schema` were committed.
pub(crate) fn committed(schema: &'static str) {
    channel(schema).send_modify(|count| *count += 1);
}

/// Hears of commits from now on; those between two looks are heard once.
pub(crate) fn listen(schema: &'static str) -> watch::Receiver<u64> {
    channel(schema).subscribe()
}
