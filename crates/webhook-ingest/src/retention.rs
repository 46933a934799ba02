//! For how long each tenant's bodies are kept, and deleting what is older where others keep longer.

mod service;
mod table;

pub(crate) use service::Retentions;
pub(crate) use table::{delete_before, delete_quarantined_before, said, with_quarantined_before};
