//! The gRPC services and events of Tsunagi, generated from `proto/`, and the access rule of every method.
//!
//! Modules follow the proto packages: `contracts::messaging::v1`, `contracts::events::v1` and so on. Nothing generated is
//! kept in the repository.

mod access;
mod event;
mod list;

pub use access::{AccessRules, MethodRule, RuleError};
pub use event::{EventBody, subject_token, timestamp, to_timestamp};
pub use list::ListRequest;
pub use protos::tsunagi::{access as access_proto, events, identity, ingest, messaging, operations, scheduler};

/// The descriptors of every proto file, for gRPC reflection: a serialised `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));

#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    missing_docs,
    unreachable_pub,
    reason = "generated code; its documentation is the proto comments"
)]
mod protos {
    include!(concat!(env!("OUT_DIR"), "/protos.rs"));
}
