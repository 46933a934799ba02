//! Staff on LINE: the staff account, how staff can be reached, and what they hear of.

mod account;
mod bind;
mod chat_mode;
mod contact;
mod guessing;
mod invitation;
mod killed;
mod notice;
mod operators_account;
mod retention;
mod scene;
