//! The simulator from outside: every documented behaviour over real HTTP.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, in its stage as in its body")]

// LINE's OpenAPI files, read and sampled as line-types' own tests do.
#[expect(dead_code, reason = "line-types' tests ask for more of it")]
#[path = "../../../line-types/tests/openapi/schema.rs"]
mod schema;

#[path = "../../../line-types/tests/openapi/examples.rs"]
mod objects;

mod books;
mod clock;
mod content;
mod documents;
mod echo;
mod examples;
mod faults;
mod fidelity;
mod followers;
mod groups;
mod link;
mod profile;
mod quota;
mod rate;
mod receiver;
mod recordings;
mod refusals;
mod reply;
mod retry;
mod rich_menu;
mod rich_menu_limits;
mod scenarios;
mod send;
mod stage;
mod tokens;
mod webhook_endpoint;
mod webhooks;
