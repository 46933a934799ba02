//! What identity-linking keeps, one module per capability. Every statement names its schema and its tenant's rows only: row-level
//! security adds the tenant. Nothing here decides; constraints say what is taken or missing, and [`refused`] what that means.

pub(crate) mod account;
pub(crate) mod account_check;
pub(crate) mod activity;
pub(crate) mod attempt_count;
pub(crate) mod attempt_customer;
pub(crate) mod candidate;
pub(crate) mod channel_secret;
pub(crate) mod credential;
pub(crate) mod customer;
pub(crate) mod duplicate;
pub(crate) mod first_message;
pub(crate) mod form_token;
pub(crate) mod former;
pub(crate) mod friend;
pub(crate) mod friendship;
pub(crate) mod inquiry;
mod key_lock;
pub(crate) mod link;
pub(crate) mod link_attempt;
pub(crate) mod link_figure;
pub(crate) mod link_policy;
pub(crate) mod merge;
pub(crate) mod organization;
pub(crate) mod principal;
pub(crate) mod profile_request;
pub(crate) mod provider;
pub(crate) mod provider_evidence;
mod rate;
mod refused;
mod row;
pub(crate) mod staff;
pub(crate) mod staff_bind_attempt;
pub(crate) mod staff_contact;
pub(crate) mod staff_form_token;
pub(crate) mod staff_invitation;
pub(crate) mod staff_line_user;
pub(crate) mod submitted_activity;
pub(crate) mod takeover;
pub(crate) mod tenant;
pub(crate) mod webhook_key;
pub(crate) mod whose;

pub(crate) use refused::refused;
pub(crate) use row::{Position, Stored};
