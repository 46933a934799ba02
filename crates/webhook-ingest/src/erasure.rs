//! Erasing from the archive and from the stream: what its sender took back, and people who are to be forgotten. The events are cut
//! out of the stored bodies; the IDs of what was taken back stay, so that a late copy is found and goes too.

mod awaited;
mod hits;
mod matter;
mod person;
mod service;
mod shelf;
mod stream;
mod sweep;
mod unsend;

pub(crate) use awaited::is_to_be_erased;
pub(crate) use matter::forget_old;
pub(crate) use service::Erasures;
pub(crate) use sweep::Sweeper;
