//! The directory of callers: principals and staff, which every service checks its calls against.

use chassis::Host;
use chassis::auth::replica::{ReplicaError, put_principal, put_staff};
use chassis::grpc::Client;
use chassis::postgres::{Database, TenantTx};
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::ReplicaKind;

use super::{Replica, ReplicaHandle};
use crate::connection::Bus;
use crate::fate::Trouble;

/// Feeds the tables that [`chassis::auth`] reads callers from; `identity` is identity-linking's address, none inside that service
/// itself.
pub fn spawn_directory(host: &Host, bus: &Bus, database: &Database, identity: Option<&Client>) -> ReplicaHandle {
    let kinds = &[ReplicaKind::Principal, ReplicaKind::Staff];
    super::spawn(host, bus, database, "directory", kinds, identity, Directory)
}

struct Directory;

impl Replica for Directory {
    async fn put(&self, tx: &mut TenantTx, aggregate: &Body) -> Result<(), Trouble> {
        let schema = tx.schema();
        match aggregate {
            Body::Principal(principal) => put_principal(tx, schema, principal).await.map(drop)?,
            Body::Staff(staff) => put_staff(tx, staff).await.map(drop)?,
            _ => {}
        }
        Ok(())
    }
}

impl From<ReplicaError> for Trouble {
    fn from(error: ReplicaError) -> Self {
        match error {
            ReplicaError::Database(error) => error.into(),
            error @ ReplicaError::Malformed(_) => Self::failed(error),
        }
    }
}
