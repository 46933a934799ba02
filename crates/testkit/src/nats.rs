//! NATS with JetStream: the server all tests of a run share, private ones to kill, and a cluster.
//!
//! Tests on the shared server keep out of each other's way by a prefix of their own before every stream and subject.

mod cluster;
mod private;
mod streams;
mod tls;

use std::path::Path;

pub use cluster::Cluster;
pub use private::Private;
pub use streams::{delete_streams, event_ids};

/// Connects as a user whose replies come to `_INBOX.{name}`; `authority` signs the server's certificate.
pub async fn connect_as(
    url: &str,
    name: &str,
    password: &str,
    authority: Option<&Path>,
) -> Result<async_nats::Client, async_nats::ConnectError> {
    let options = async_nats::ConnectOptions::with_user_and_password(name.to_owned(), password.to_owned());
    let options = options.custom_inbox_prefix(format!("_INBOX.{name}"));
    match authority {
        Some(authority) => options.add_root_certificates(authority.to_owned()).connect(url).await,
        None => options.connect(url).await,
    }
}

/// The address of the server all tests of this run share.
///
/// # Panics
/// When the run has none.
#[must_use]
pub fn url() -> String {
    std::env::var("TSUNAGI_TEST_NATS_URL").unwrap_or_else(|_| {
        panic!(
            "TSUNAGI_TEST_NATS_URL is not set: run `make test`, or put \
             `python3 deploy/local/with_servers.py --mode test --` before your command"
        )
    })
}

/// A prefix no other test has: letters and digits, fit for a stream's name and for a subject's token.
#[must_use]
pub fn prefix() -> String {
    format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}
