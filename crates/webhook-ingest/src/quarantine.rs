//! `QuarantineService`: bodies that were proved and not handled, explained, released and dropped by a person.

mod release;
mod service;
mod table;
mod wire;

pub(crate) use service::Quarantine;
