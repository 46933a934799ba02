//! Filling a replica from a snapshot: at first start, after a loss, on request.

use std::sync::Arc;
use std::time::Duration;

use chassis::Gate;
use chassis::grpc::Client;
use chassis::postgres::Database;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::replica_service_client::ReplicaServiceClient;
use contracts::identity::v1::{ReplicaKind, SnapshotReplicasRequest, SnapshotReplicasResponse};
use kernel::TenantId;
use sqlx::AssertSqlSafe;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Replica, place};
use crate::fate::Trouble;

/// Aggregates that share a transaction.
const BATCH: usize = 200;
/// How long identity-linking may be silent.
const SILENCE: Duration = Duration::from_secs(20);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Snapshots<R> {
    pub(super) database: Database,
    pub(super) name: &'static str,
    pub(super) kinds: &'static [ReplicaKind],
    pub(super) identity: Client,
    pub(super) replica: Arc<R>,
    pub(super) wanted: Arc<Notify>,
}

#[derive(Debug, thiserror::Error)]
enum SnapshotError {
    #[error("identity-linking does not give a snapshot")]
    Call(#[from] tonic::Status),
    #[error("identity-linking was silent for too long")]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
    #[error("the snapshot names a tenant that is none")]
    Tenant,
    #[error("an aggregate cannot be kept now")]
    Put(#[source] Trouble),
}

impl<R: Replica> Snapshots<R> {
    pub(super) async fn keep(self, gate: Gate, stopping: CancellationToken) -> anyhow::Result<()> {
        stopping.run_until_cancelled(self.keep_filled(&gate)).await;
        Ok(())
    }

    async fn keep_filled(&self, gate: &Gate) {
        loop {
            match self.fill_unless_filled().await {
                Ok(()) => {
                    gate.set(true);
                    self.wanted.notified().await;
                    self.until_forgotten().await;
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(replica = self.name, error = %error, cause, "the replica waits for its snapshot");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Under what it is noted that there was a snapshot: of these kinds, so that one that begins to be kept is asked for.
    fn marker(&self) -> String {
        let mut kinds: Vec<i32> = self.kinds.iter().map(|kind| i32::from(*kind)).collect();
        kinds.sort_unstable();
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        format!("{} {}", self.name, kinds.join(","))
    }

    async fn fill_unless_filled(&self) -> Result<(), SnapshotError> {
        let text = format!("SELECT true FROM {}.replica_snapshot WHERE name = $1", self.database.schema());
        let filled = sqlx::query_scalar(AssertSqlSafe(text)).bind(self.marker());
        if filled.fetch_optional(self.database.worker()).await?.unwrap_or(false) {
            return Ok(());
        }
        let count = self.fill().await?;
        let text = format!(
            "INSERT INTO {}.replica_snapshot (name) VALUES ($1)
             ON CONFLICT (tenant_id, name) DO UPDATE SET completed_at = now()",
            self.database.schema()
        );
        sqlx::query(AssertSqlSafe(text)).bind(self.marker()).execute(self.database.worker()).await?;
        tracing::info!(replica = self.name, aggregates = count, "filled from a snapshot");
        Ok(())
    }

    /// Forgets that there was a snapshot, so that a restart before the next one is complete takes it again.
    async fn until_forgotten(&self) {
        let text = format!("DELETE FROM {}.replica_snapshot WHERE name = $1", self.database.schema());
        while let Err(error) =
            sqlx::query(AssertSqlSafe(text.as_str())).bind(self.marker()).execute(self.database.worker()).await
        {
            tracing::warn!(replica = self.name, error = %error, "the snapshot waits for the database");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn fill(&self) -> Result<u64, SnapshotError> {
        let request = SnapshotReplicasRequest {
            kinds: self.kinds.iter().map(|kind| i32::from(*kind)).collect(),
            tenant_id: String::new(),
        };
        let mut identity = ReplicaServiceClient::new(self.identity.clone());
        let mut stream = tokio::time::timeout(SILENCE, identity.snapshot_replicas(request)).await??.into_inner();
        let (mut count, mut tenant, mut batch) = (0, Database::platform_tenant(), Vec::new());
        while let Some(response) = tokio::time::timeout(SILENCE, stream.message()).await?? {
            let (owner, aggregate) = read(response)?;
            if owner != tenant || batch.len() >= BATCH {
                self.put_all(tenant, std::mem::take(&mut batch)).await?;
                tenant = owner;
            }
            batch.extend(aggregate);
            count += 1;
        }
        self.put_all(tenant, batch).await?;
        Ok(count)
    }

    async fn put_all(&self, tenant: TenantId, mut aggregates: Vec<Body>) -> Result<(), SnapshotError> {
        aggregates.sort_by(|a, b| place(a).cmp(&place(b)));
        if aggregates.is_empty() || self.put_together(tenant, &aggregates).await.is_ok() {
            return Ok(());
        }
        for aggregate in &aggregates {
            match self.put_together(tenant, std::slice::from_ref(aggregate)).await {
                Ok(()) => {}
                Err(SnapshotError::Put(Trouble::Failed(cause))) => {
                    // One aggregate that cannot be kept must not keep the whole service from starting.
                    tracing::error!(replica = self.name, cause = %cause, "an aggregate of the snapshot is passed over");
                    metrics::counter!("tsunagi_bus_snapshot_failures_total", "replica" => self.name).increment(1);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn put_together(&self, tenant: TenantId, aggregates: &[Body]) -> Result<(), SnapshotError> {
        let mut tx = self.database.tenant(tenant).await?;
        for aggregate in aggregates {
            self.replica.put(&mut tx, aggregate).await.map_err(SnapshotError::Put)?;
        }
        tx.commit().await?;
        Ok(())
    }
}

fn read(response: SnapshotReplicasResponse) -> Result<(TenantId, Option<Body>), SnapshotError> {
    let tenant = match response.tenant_id.as_str() {
        "" => Database::platform_tenant(),
        tenant => tenant.parse().map_err(|_| SnapshotError::Tenant)?,
    };
    Ok((tenant, response.event.and_then(|event| event.body)))
}
