//! This service's tables. One file for each thing kept; a function is one statement, or one step of a transaction that its
//! caller owns.

pub(crate) mod access_token;
pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod content;
pub(crate) mod conversation;
pub(crate) mod digest;
pub(crate) mod group_name;
pub(crate) mod inbound;
pub(crate) mod inquiry;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod message;
pub(crate) mod notice;
pub(crate) mod organization;
pub(crate) mod placing;
pub(crate) mod put_off;
pub(crate) mod quota;
pub(crate) mod reminder;
pub(crate) mod replica;
pub(crate) mod reply_token;
pub(crate) mod schedule;
pub(crate) mod send_queue;
pub(crate) mod settle;
pub(crate) mod staff;
pub(crate) mod waiting;
