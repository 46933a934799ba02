//! Notices to staff: told once, by the channels that reach them, to whom they concern and nobody else.

mod line;
pub(crate) mod place;
