//! The data keys of all tenants, open in memory: for what must be encrypted while the database is away, or thousands of times a
//! second.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use kernel::TenantId;
use ring::hmac;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

use super::cipher::{self, DataKey};
use super::{EnvelopeError, MasterKeys};
use crate::postgres::Database;

/// Keeps makers of a tenant's first key apart: two replicas that make one at once make one.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";

/// Tenants' data keys. What [`Ring::learn`] was told of can be used without the database, for ever. The service's worker role needs
/// `SELECT` on its table of data keys, of which `wrapped` opens with a master key alone.
#[derive(Debug)]
pub struct Ring {
    masters: MasterKeys,
    keys: RwLock<HashMap<TenantId, Vec<(Uuid, DataKey)>>>,
}

impl Ring {
    /// With the master keys of the deployment, and no tenant yet.
    #[must_use]
    pub fn new(masters: MasterKeys) -> Self {
        Self { masters, keys: RwLock::default() }
    }

    /// With a key for each of these tenants that is kept nowhere: what it encrypts is lost with it.
    ///
    /// # Errors
    /// When the machine gives no random bytes.
    pub fn ephemeral(masters: MasterKeys, tenants: &[TenantId]) -> Result<Self, EnvelopeError> {
        let key = |tenant: &TenantId| Ok((*tenant, vec![(Uuid::new_v4(), DataKey::generate()?)]));
        let keys: Result<HashMap<_, _>, EnvelopeError> = tenants.iter().map(key).collect();
        Ok(Self { masters, keys: RwLock::new(keys?) })
    }

    /// Reads the keys of these tenants, and makes one for each that has none. A key that does not open is told and left out:
    /// the other tenants are served. Repeating it reads them again.
    ///
    /// # Errors
    /// When the database is away or refuses. Some tenants may be known then.
    pub async fn learn(&self, database: &Database, tenants: &[TenantId]) -> Result<(), EnvelopeError> {
        let mut known = self.read(database, tenants).await?;
        for tenant in tenants {
            if !known.contains_key(tenant) {
                let made = self.make(database, *tenant).await?;
                known.insert(*tenant, made);
            }
        }
        self.keys.write().unwrap_or_else(PoisonError::into_inner).extend(known);
        Ok(())
    }

    /// Reads the keys of these tenants, and makes none for who has none.
    ///
    /// # Errors
    /// When the database is away or refuses.
    pub async fn learn_existing(&self, database: &Database, tenants: &[TenantId]) -> Result<(), EnvelopeError> {
        let known = self.read(database, tenants).await?;
        self.keys.write().unwrap_or_else(PoisonError::into_inner).extend(known);
        Ok(())
    }

    /// Whether something can be encrypted for the tenant.
    #[must_use]
    pub fn holds(&self, tenant: TenantId) -> bool {
        self.keys().get(&tenant).is_some_and(|keys| !keys.is_empty())
    }

    /// Encrypts `plaintext` for the tenant, as [`super::Envelope::encrypt`] does.
    ///
    /// # Errors
    /// [`EnvelopeError::DataKeyMissing`] where the tenant was not learned.
    pub fn encrypt(&self, tenant: TenantId, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let (id, key) = self.newest(tenant)?;
        cipher::encrypt(&key, tenant, id, purpose, plaintext)
    }

    /// Decrypts what [`Ring::encrypt`] made for the same tenant and `purpose`.
    ///
    /// # Errors
    /// [`EnvelopeError::DataKeyMissing`] where its key is not known here: learn the tenant and try again.
    pub fn decrypt(&self, tenant: TenantId, purpose: &str, ciphertext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let id = cipher::key_id(ciphertext)?;
        let known = self.keys().get(&tenant).and_then(|keys| keys.iter().find(|key| key.0 == id).cloned());
        let (_, key) = known.ok_or(EnvelopeError::DataKeyMissing)?;
        let mut plaintext = cipher::decrypt(&key, tenant, purpose, ciphertext)?;
        Ok(std::mem::take(&mut *plaintext))
    }

    /// Whether the data key exists with which this was encrypted for the tenant, usable here or not. Where it does not, nobody ever
    /// decrypts it.
    ///
    /// # Errors
    /// [`EnvelopeError::Ciphertext`] where it is none; when the database is away or refuses.
    pub async fn has_key(
        &self,
        database: &Database,
        tenant: TenantId,
        ciphertext: &[u8],
    ) -> Result<bool, EnvelopeError> {
        let query = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT EXISTS (SELECT FROM {}.data_key WHERE tenant_id = $1 AND data_key_id = $2)",
            database.schema()
        )));
        let query = query.bind(tenant.uuid()).bind(cipher::key_id(ciphertext)?);
        Ok(query.fetch_one(database.worker()).await?)
    }

    /// What stands for `text` where the text itself must not be kept, to find it again: the same text of the same tenant and
    /// purpose gives the same digest, and without the tenant's key nobody tells the text or whether two tenants mean the same
    /// (HMAC-SHA-256, RFC 2104, its first 16 bytes). By the newest key.
    ///
    /// # Errors
    /// [`EnvelopeError::DataKeyMissing`] where the tenant was not learned.
    pub fn digest(&self, tenant: TenantId, purpose: &str, text: &str) -> Result<Uuid, EnvelopeError> {
        let (_, key) = self.newest(tenant)?;
        Ok(digest(&key, purpose, text))
    }

    /// The digests of `text` by each of the tenant's keys: what was kept under an older one is found by its own.
    #[must_use]
    pub fn digests(&self, tenant: TenantId, purpose: &str, text: &str) -> Vec<Uuid> {
        self.keys().get(&tenant).into_iter().flatten().map(|(_, key)| digest(key, purpose, text)).collect()
    }

    fn newest(&self, tenant: TenantId) -> Result<(Uuid, DataKey), EnvelopeError> {
        self.keys().get(&tenant).and_then(|keys| keys.last().cloned()).ok_or(EnvelopeError::DataKeyMissing)
    }

    fn keys(&self) -> RwLockReadGuard<'_, HashMap<TenantId, Vec<(Uuid, DataKey)>>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys in the table, each tenant's newest last.
    async fn read(
        &self,
        database: &Database,
        tenants: &[TenantId],
    ) -> Result<HashMap<TenantId, Vec<(Uuid, DataKey)>>, EnvelopeError> {
        let asked: Vec<Uuid> = tenants.iter().map(|tenant| tenant.uuid()).collect();
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT tenant_id, data_key_id, master_key_id, wrapped FROM {}.data_key WHERE tenant_id = ANY ($1)
             ORDER BY created_at, data_key_id",
            database.schema()
        )))
        .bind(asked)
        .fetch_all(database.worker())
        .await?;
        let mut known: HashMap<TenantId, Vec<(Uuid, DataKey)>> = HashMap::new();
        for row in rows {
            let tenant = TenantId::from(row.try_get::<Uuid, _>(0)?);
            let keys = known.entry(tenant).or_default();
            let (id, master): (Uuid, String) = (row.try_get(1)?, row.try_get(2)?);
            match self.unwrap(tenant, id, &master, &row.try_get::<Vec<u8>, _>(3)?) {
                Ok(key) => keys.push((id, key)),
                Err(error) => tracing::error!(%tenant, error = %error, "a data key cannot be used"),
            }
        }
        Ok(known)
    }

    async fn make(&self, database: &Database, tenant: TenantId) -> Result<Vec<(Uuid, DataKey)>, EnvelopeError> {
        let schema = database.schema();
        let mut tx = database.tenant(tenant).await?;
        sqlx::query(LOCK).bind(format!("{schema}.data_key/{tenant}")).execute(&mut *tx).await?;
        if let Some((id, master, wrapped)) = stored(&mut tx, schema, tenant).await? {
            return Ok(vec![(id, self.unwrap(tenant, id, &master, &wrapped)?)]);
        }
        let (id, key, master) = (Uuid::new_v4(), DataKey::generate()?, self.masters.current());
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO {schema}.data_key (tenant_id, data_key_id, master_key_id, wrapped) VALUES ($1, $2, $3, $4)"
        )))
        .bind(tenant.uuid())
        .bind(id)
        .bind(master.id())
        .bind(master.wrap(tenant, id, &key)?)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(vec![(id, key)])
    }

    fn unwrap(&self, tenant: TenantId, id: Uuid, master: &str, wrapped: &[u8]) -> Result<DataKey, EnvelopeError> {
        self.masters.named(master)?.unwrap(tenant, id, wrapped)
    }
}

/// The key another replica made meanwhile.
async fn stored(
    connection: &mut PgConnection,
    schema: &str,
    tenant: TenantId,
) -> Result<Option<(Uuid, String, Vec<u8>)>, sqlx::Error> {
    sqlx::query_as(AssertSqlSafe(format!(
        "SELECT data_key_id, master_key_id, wrapped FROM {schema}.data_key WHERE tenant_id = $1
         ORDER BY created_at DESC LIMIT 1"
    )))
    .bind(tenant.uuid())
    .fetch_optional(connection)
    .await
}

fn digest(key: &DataKey, purpose: &str, text: &str) -> Uuid {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &*key.0);
    let mut context = hmac::Context::with_key(&key);
    context.update(b"tsunagi.digest.1/");
    // Its length before it, so that no two pairs of purpose and text run together.
    context.update(&(purpose.len() as u64).to_be_bytes());
    context.update(purpose.as_bytes());
    context.update(text.as_bytes());
    let tag = context.sign();
    let mut short = [0; 16];
    short.copy_from_slice(&tag.as_ref()[..16]);
    Uuid::from_bytes(short)
}
