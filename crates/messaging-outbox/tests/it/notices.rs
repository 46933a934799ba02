//! Notices to staff: told once, by the channels that reach them, to whom they concern and nobody else.

mod email;
mod endpoint;
mod line;
pub(crate) mod mail_server;
mod naming;
pub(crate) mod place;
mod replies;
mod settings;
mod shared_account;
mod staff_account;
mod webhook;
