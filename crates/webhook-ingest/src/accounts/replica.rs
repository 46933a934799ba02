//! What identity-linking says of accounts, taken into the table.

use bus::{Bus, Trouble};
use chassis::Host;
use chassis::grpc::Client;
use chassis::postgres::{Database, TenantTx};
use contracts::events::v1::AccountReplica;
use contracts::events::v1::identity_event::Body;
use contracts::identity::v1::ReplicaKind;
use kernel::AccountId;

use super::{material, table};

/// Keeps the table of accounts.
pub(crate) struct AccountReplicas;

impl AccountReplicas {
    /// Fills the table from events, and from a snapshot when there never was one.
    pub(crate) fn spawn(host: &Host, bus: &Bus, database: &Database, identity: Option<&Client>) {
        bus::replica::spawn(host, bus, database, "accounts", &[ReplicaKind::Account], identity, Self);
    }
}

impl bus::replica::Replica for AccountReplicas {
    async fn put(&self, tx: &mut TenantTx, aggregate: &Body) -> Result<(), Trouble> {
        match aggregate {
            Body::Account(replica) => Ok(apply(tx, replica).await?),
            _ => Ok(()),
        }
    }
}

/// Why a version of an account cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The account's ID is none.
    #[error("the account's ID is none")]
    Malformed,
    /// The database is away or refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

impl From<ApplyError> for Trouble {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Malformed => Self::failed(error),
            ApplyError::Database(error) => error.into(),
        }
    }
}

/// Takes a version of an account in, inside its tenant's transaction; an older one than is known changes nothing. Every
/// replica's memory follows within a second.
///
/// # Errors
/// See [`ApplyError`].
pub async fn apply(tx: &mut TenantTx, replica: &AccountReplica) -> Result<(), ApplyError> {
    let account: AccountId = replica.account_id.parse().map_err(|_| ApplyError::Malformed)?;
    let tenant = tx.tenant();
    Ok(table::put(tx, tenant, account, &material::reduced(replica)).await?)
}
