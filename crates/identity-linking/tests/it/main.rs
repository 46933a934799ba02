//! identity-linking alone, on real Postgres and NATS. messaging-outbox is played by a server that answers as a test tells it.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod account;
mod activity;
mod bootstrap;
mod caller;
mod customer;
mod friend;
mod friend_coverage;
mod house;
mod isolation;
mod killing;
mod killing_links;
mod linking;
mod messaging;
mod ownership;
mod pages;
mod paging;
mod principal;
mod profiles;
mod provider_evidence;
mod rebuild;
mod refused;
mod replica;
mod restart;
mod secrets;
mod signer;
mod staff;
mod staffing;
mod standing;
mod tally;
mod tenant;
mod visibility;
