#![doc = include_str!("../README.md")]

pub mod attempt;
pub mod backoff;
pub mod chat;
pub mod fold;
pub mod inbound;
pub mod lane;
pub mod limiter;
pub mod media;
pub mod pack;
pub mod quota;
pub mod reply_window;
pub mod route;
pub mod send_gate;
pub mod state;
pub mod token_renewal;
