//! PostgreSQL: the server all tests of a run share, and private ones to kill.

mod cluster;
mod private;

pub use cluster::{Cluster, Database};
pub use private::Private;
