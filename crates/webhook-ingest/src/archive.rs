//! `ArchiveService`: what LINE sent, as it sent it, to the tenant it was sent to.

mod query;
mod service;

pub(crate) use service::Archive;
