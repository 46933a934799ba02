//! LINE's APIs over HTTP: the Messaging API and channel access tokens.
//!
//! [`LineClient`] makes one request per call and keeps no state between calls but the connection pool: tokens, rate
//! buckets, retries and deadlines belong to the caller. Every failure says what is known about the outcome
//! ([`FailureKind`]), so that the caller can decide without guessing whether a message may have been accepted.
//!
//! Nothing here logs a body, a token, an address or an identifier of a person.
//!
//! TLS: the process must have installed a rustls crypto provider (`rustls::crypto::ring::default_provider()`) before
//! [`LineClient::new`] is called.

mod account;
mod answer;
mod assertion;
mod client;
mod content;
mod endpoints;
mod failure;
mod people;
mod quota;
mod rich_menu;
mod send;
mod token;
mod webhook_endpoint;

pub use assertion::{Assertion, AssertionKey, AssertionKeyError, MAX_ASSERTION_LIFETIME, MAX_TOKEN_LIFETIME};
pub use client::{ClientError, LineClient};
pub use content::{Content, ContentAnswer, ContentError};
pub use endpoints::{EndpointError, Endpoints};
pub use failure::{Failure, FailureKind, Transport, classify, classify_transport};
pub use quota::resolve_limit;
pub use send::Accepted;
pub use token::ChannelAccessToken;
