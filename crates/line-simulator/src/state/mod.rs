//! The world as the LINE Platform keeps it, without any I/O: time is an argument, outgoing events gather in an outbox.

pub(crate) mod access_token;
pub(crate) mod account;
pub(crate) mod act;
pub(crate) mod books;
pub(crate) mod content;
pub(crate) mod dialog;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod fault;
pub(crate) mod follower_count;
pub(crate) mod friendship;
pub(crate) mod group;
pub(crate) mod id;
pub(crate) mod link_token;
pub(crate) mod mint;
pub(crate) mod person;
pub(crate) mod quota;
pub(crate) mod rate;
pub(crate) mod refusal;
pub(crate) mod reply_token;
pub(crate) mod retry_key;
pub(crate) mod rich_menu;
pub(crate) mod sending;
mod tap;
pub(crate) mod trouble;
pub(crate) mod world;
pub(crate) mod writing;
