#![doc = include_str!("../README.md")]

pub mod calendar;
pub mod digest;
pub mod fire;
pub mod generation;
mod key;
mod late;
mod owner;
pub mod reminder;
pub mod slot;
pub mod timer;
pub mod turn;
mod unfit;
pub mod wall_clock;

pub use key::Key;
pub use late::LateFor;
pub use owner::{CallerName, Owner, OwnerRefused};
pub use unfit::Unfit;
