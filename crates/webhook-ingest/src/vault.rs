//! Bodies at rest: encrypted under their tenant's data key, which lives in memory, so that bodies are taken while Postgres is away.

use std::sync::Arc;

use bytes::Bytes;
use chassis::envelope::{EnvelopeError, MasterKeys, Ring};
use chassis::postgres::Database;
use kernel::{BodyId, TenantId};
use line_types::id::UserId;
use uuid::Uuid;

/// What digests of LINE user IDs are for.
const LINE_USER: &str = "line_user";
/// What digests of what stands beside spilled bodies are for.
const SPILLED_HEAD: &str = "spilled_head";

/// Closes and opens bodies. Clones share the keys.
#[derive(Clone, Debug)]
pub(crate) struct Vault(Arc<Ring>);

impl Vault {
    /// With the master keys of the deployment.
    pub(crate) fn new(masters: MasterKeys) -> Self {
        Self(Arc::new(Ring::new(masters)))
    }

    /// Makes these tenants' keys known, those that have none included.
    ///
    /// # Errors
    /// When the database is away or refuses.
    pub(crate) async fn learn(&self, database: &Database, tenants: &[TenantId]) -> Result<(), EnvelopeError> {
        let mut unknown: Vec<TenantId> = tenants.iter().filter(|tenant| !self.holds(**tenant)).copied().collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() { Ok(()) } else { self.0.learn(database, &unknown).await }
    }

    /// Makes those of these tenants' keys known that there are: who names the tenants may be mistaken.
    ///
    /// # Errors
    /// When the database is away or refuses.
    pub(crate) async fn learn_existing(&self, database: &Database, tenants: &[TenantId]) -> Result<(), EnvelopeError> {
        let unknown: Vec<TenantId> = tenants.iter().filter(|tenant| !self.holds(**tenant)).copied().collect();
        if unknown.is_empty() { Ok(()) } else { self.0.learn_existing(database, &unknown).await }
    }

    /// Whether a body of the tenant could be kept.
    pub(crate) fn holds(&self, tenant: TenantId) -> bool {
        self.0.holds(tenant)
    }

    /// A body as it is kept. It opens under its own ID and tenant alone.
    ///
    /// # Errors
    /// When the tenant's key is not known.
    pub(crate) fn seal(&self, tenant: TenantId, body: BodyId, payload: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        self.0.encrypt(tenant, &purpose(body), payload)
    }

    /// The bytes of a body that was kept, by the keys that are known.
    ///
    /// # Errors
    /// When it is not the body, or its key is not known here.
    pub(crate) fn open_known(&self, tenant: TenantId, body: BodyId, sealed: &[u8]) -> Result<Bytes, EnvelopeError> {
        Ok(self.0.decrypt(tenant, &purpose(body), sealed)?.into())
    }

    /// The bytes of a body that was kept.
    ///
    /// # Errors
    /// [`EnvelopeError::Ciphertext`] where nobody opens it any more: it is not the body, or the key it was closed with does not exist.
    /// That is counted and told here, and holds up nobody. Any other where its key cannot be had now.
    pub(crate) async fn open(
        &self,
        database: &Database,
        tenant: TenantId,
        body: BodyId,
        sealed: &[u8],
    ) -> Result<Bytes, EnvelopeError> {
        let mut opened = self.open_known(tenant, body, sealed);
        if matches!(opened, Err(EnvelopeError::DataKeyMissing)) {
            self.0.learn(database, &[tenant]).await?;
            opened = self.open_known(tenant, body, sealed);
        }
        if matches!(opened, Err(EnvelopeError::DataKeyMissing)) && !self.0.has_key(database, tenant, sealed).await? {
            opened = Err(EnvelopeError::Ciphertext);
        }
        if matches!(opened, Err(EnvelopeError::Ciphertext)) {
            tracing::error!(%tenant, %body, "a body opens no more: it or its data key is not what it was");
            metrics::counter!("tsunagi_ingest_unreadable_bodies_total").increment(1);
        }
        opened
    }

    /// The ID of a LINE user who is to be forgotten, as it is kept until that is done.
    ///
    /// # Errors
    /// When the tenant's key is not known.
    pub(crate) fn seal_user(&self, tenant: TenantId, erasure: Uuid, user: &UserId) -> Result<Vec<u8>, EnvelopeError> {
        self.0.encrypt(tenant, &format!("erasure/{erasure}"), user.as_str().as_bytes())
    }

    /// Who is to be forgotten.
    ///
    /// # Errors
    /// When it is not of this erasure, or its key is not known here.
    pub(crate) fn open_user(&self, tenant: TenantId, erasure: Uuid, sealed: &[u8]) -> Result<UserId, EnvelopeError> {
        let opened = self.0.decrypt(tenant, &format!("erasure/{erasure}"), sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| EnvelopeError::Ciphertext)?;
        UserId::parse(text).map_err(|_| EnvelopeError::Ciphertext)
    }

    /// The URL of a forwarding target, as it is kept. It opens under that target and tenant alone.
    ///
    /// # Errors
    /// When the tenant's key is not known.
    pub(crate) fn seal_url(&self, tenant: TenantId, target: Uuid, url: &str) -> Result<Vec<u8>, EnvelopeError> {
        self.0.encrypt(tenant, &format!("forwarding_target/{target}"), url.as_bytes())
    }

    /// The URL of a forwarding target that was kept.
    ///
    /// # Errors
    /// When it is not of this target, or its key cannot be had.
    pub(crate) async fn open_url(
        &self,
        database: &Database,
        tenant: TenantId,
        target: Uuid,
        sealed: &[u8],
    ) -> Result<String, EnvelopeError> {
        let open = || self.0.decrypt(tenant, &format!("forwarding_target/{target}"), sealed);
        let opened = match open() {
            Err(EnvelopeError::DataKeyMissing) => {
                self.0.learn(database, &[tenant]).await?;
                open()
            }
            opened => opened,
        };
        String::from_utf8(opened?).map_err(|_| EnvelopeError::Ciphertext)
    }

    /// What a LINE user is known by in the archive: his own ID is in the bodies alone.
    ///
    /// # Errors
    /// When the tenant's key is not known.
    pub(crate) fn line_user(&self, tenant: TenantId, user: &UserId) -> Result<Uuid, EnvelopeError> {
        self.0.digest(tenant, LINE_USER, user.as_str())
    }

    /// What tells that what stands beside a spilled body was written with it.
    ///
    /// # Errors
    /// When the tenant's key is not known.
    pub(crate) fn spilled_head(&self, tenant: TenantId, head: &str) -> Result<Uuid, EnvelopeError> {
        self.0.digest(tenant, SPILLED_HEAD, head)
    }

    /// The same, under whichever of the tenant's keys.
    pub(crate) fn spilled_heads(&self, tenant: TenantId, head: &str) -> Vec<Uuid> {
        self.0.digests(tenant, SPILLED_HEAD, head)
    }

    /// What a LINE user may be known by, under whichever of the tenant's keys.
    pub(crate) fn line_users(&self, tenant: TenantId, user: &UserId) -> Vec<Uuid> {
        self.0.digests(tenant, LINE_USER, user.as_str())
    }
}

fn purpose(body: BodyId) -> String {
    format!("body/{body}")
}

/// A vault that knows these tenants, of keys that nobody else has.
#[cfg(test)]
pub(crate) fn known(tenants: &[TenantId]) -> Vault {
    let masters = MasterKeys::parse("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    Vault(Arc::new(Ring::ephemeral(masters, tenants).unwrap()))
}
