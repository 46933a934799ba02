//! PostgreSQL: the server all tests of a run share, and private ones to kill.

mod backup;
mod cluster;
mod private;

pub use backup::Backup;
pub use cluster::{Cluster, Database};
pub use private::Private;
