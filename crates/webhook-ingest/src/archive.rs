//! `ArchiveService`: what LINE sent, as it sent it, to the tenant it was sent to.

mod filter;
mod query;
mod service;

pub(crate) use service::{Archive, known};
