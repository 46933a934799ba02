//! All of Tsunagi in one process for development, and the operator's command line.
//!
//! - [`operator`]: `tsunagi migrate | token | keys | call`, and a command for every method an operator may call;
//! - [`local`]: the four services and the simulator in one process: `tsunagi run`;
//! - [`demo`]: the main job played on it: `tsunagi demo`; [`stage`]: a platform seen from outside, to play on.

mod command_line;
pub mod demo;
pub mod local;
pub mod operator;
pub mod stage;
mod to_try;

pub use command_line::main;
