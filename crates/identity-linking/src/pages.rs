//! The form pages that cards in the chat lead to: the inquiry form and the link form, without a script, in Japanese and English.
//!
//! Nothing that somebody types is kept here, nor told to logs, figures or traces; a page is traced by its route.

mod client;
mod config;
mod entry;
mod headers;
mod language;
mod listener;
mod origin;
mod proof;
mod respond;
mod router;
mod texts;
mod view;

pub use config::PagesConfig;
pub(crate) use listener::Pages;
pub(crate) use proof::Proofs;
