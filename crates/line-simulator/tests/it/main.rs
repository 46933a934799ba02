//! The simulator from outside: every documented behaviour over real HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its stage as in its body")]

mod books;
mod clock;
mod content;
mod faults;
mod groups;
mod link;
mod profile;
mod quota;
mod rate;
mod receiver;
mod refusals;
mod reply;
mod retry;
mod rich_menu;
mod rich_menu_limits;
mod send;
mod stage;
mod tokens;
mod webhook_endpoint;
mod webhooks;
