//! What identity-linking keeps, one module per capability. Every statement names its schema and its tenant's rows only: row-level
//! security adds the tenant. Nothing here decides; constraints say what is taken or missing, and [`refused`] what that means.

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod channel_secret;
pub(crate) mod credential;
pub(crate) mod customer;
pub(crate) mod former;
pub(crate) mod friend;
pub(crate) mod friendship;
pub(crate) mod organization;
pub(crate) mod principal;
pub(crate) mod profile_request;
pub(crate) mod provider;
mod refused;
mod row;
pub(crate) mod staff;
pub(crate) mod tenant;
pub(crate) mod webhook_key;

pub(crate) use refused::refused;
pub(crate) use row::{Position, Stored};
