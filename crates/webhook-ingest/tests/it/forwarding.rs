//! Forwarding to another system: what it gets, in which order, and what becomes of what it does not take.

mod down;
mod kills;
mod order;
mod place;
mod posting;
mod receiver;
mod sealed;
mod service;
mod sharing;
mod sides;
mod spilled;
