//! Secrets at rest: each tenant has a data key, wrapped by a master key that is not in the database.
//!
//! A ciphertext opens under its tenant, with its purpose and with its data key, or not at all (XChaCha20-Poly1305 with all
//! three as associated data). After a new master key is put first in `TSUNAGI_MASTER_KEYS`, [`Envelope::rewrap`] moves every
//! data key to it; the ciphertexts stay as they are.

mod cipher;
mod master;
mod ring;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kernel::TenantId;
use sqlx::{AssertSqlSafe, Row as _};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::postgres::{Database, TenantTx};

pub use master::MasterKeys;
pub use ring::Ring;

use cipher::DataKey;

/// Data keys kept open in memory, at most.
const KEPT_OPEN: usize = 4096;

/// Why something could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Changed, of another tenant, or of another purpose.
    #[error("the ciphertext does not open under this tenant and purpose")]
    Ciphertext,
    /// The tenant has no such data key.
    #[error("the data key is missing")]
    DataKeyMissing,
    /// The master key that wraps the data key is not configured.
    #[error("master key {0} is not configured")]
    MasterKeyMissing(String),
    /// The data key does not open with the master key of that name.
    #[error("the data key does not open with master key {0}")]
    Wrapping(String),
    /// The machine gives no random bytes.
    #[error("no random bytes to be had")]
    NoRandomness,
    /// The database is away or refused.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

/// Encrypts and decrypts under the tenants' data keys.
#[derive(Debug)]
pub struct Envelope {
    masters: MasterKeys,
    open: Mutex<HashMap<(TenantId, Uuid), DataKey>>,
}

impl Envelope {
    /// With the master keys of the deployment.
    #[must_use]
    pub fn new(masters: MasterKeys) -> Self {
        Self { masters, open: Mutex::default() }
    }

    /// Encrypts `plaintext` for the transaction's tenant. `purpose` says what it is and whose (`channel_secret/{account}`), so
    /// that a ciphertext moved to another row or column does not open. Makes the tenant's data key when it has none.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub async fn encrypt(&self, tx: &mut TenantTx, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        let (id, key) = self.newest(tx).await?;
        cipher::encrypt(&key, tx.tenant(), id, purpose, plaintext)
    }

    /// Encrypts several plaintexts, each with its purpose, as [`Envelope::encrypt`] does one, in this order.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub async fn encrypt_all(
        &self,
        tx: &mut TenantTx,
        purposes_and_plaintexts: &[(String, &[u8])],
    ) -> Result<Vec<Vec<u8>>, EnvelopeError> {
        let (id, key) = self.newest(tx).await?;
        let encrypt =
            |(purpose, plaintext): &(String, &[u8])| cipher::encrypt(&key, tx.tenant(), id, purpose, plaintext);
        purposes_and_plaintexts.iter().map(encrypt).collect()
    }

    async fn newest(&self, tx: &mut TenantTx) -> Result<(Uuid, DataKey), EnvelopeError> {
        let newest = sqlx::query(AssertSqlSafe(format!(
            "SELECT data_key_id, master_key_id, wrapped FROM {}.data_key WHERE tenant_id = $1
             ORDER BY created_at DESC LIMIT 1",
            tx.schema()
        )))
        .bind(tx.tenant().uuid())
        .fetch_optional(&mut **tx)
        .await?;
        match newest {
            Some(row) => Ok((row.try_get("data_key_id")?, self.opened(tx.tenant(), &row)?)),
            None => self.make_key(tx).await,
        }
    }

    /// Decrypts what [`Envelope::encrypt`] made for the same tenant and `purpose`.
    ///
    /// # Errors
    /// See [`EnvelopeError`].
    pub async fn decrypt(
        &self,
        tx: &mut TenantTx,
        purpose: &str,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let id = cipher::key_id(ciphertext)?;
        let kept = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&(tx.tenant(), id)).cloned();
        let key = match kept {
            Some(key) => key,
            None => self.opened(tx.tenant(), &row(tx, id).await?)?,
        };
        cipher::decrypt(&key, tx.tenant(), purpose, ciphertext)
    }

    /// Wraps every data key of the service with the current master key; tells how many were wrapped with an older one.
    /// Repeating it is harmless; services go on meanwhile.
    ///
    /// # Errors
    /// See [`EnvelopeError`]. What was done stays done.
    pub async fn rewrap(&self, database: &Database) -> Result<u64, EnvelopeError> {
        let schema = database.schema();
        let old: Vec<(Uuid, Uuid)> = sqlx::query_as(AssertSqlSafe(format!(
            "SELECT tenant_id, data_key_id FROM {schema}.data_key WHERE master_key_id <> $1"
        )))
        .bind(self.masters.current().id())
        .fetch_all(database.worker())
        .await?;
        let mut rewrapped = 0;
        for (tenant, id) in old {
            let mut tx = database.tenant(tenant.into()).await?;
            let row = row(&mut tx, id).await?;
            let key = self.opened(tx.tenant(), &row)?;
            let wrapped = self.masters.current().wrap(tx.tenant(), id, &key)?;
            let changed = sqlx::query(AssertSqlSafe(format!(
                "UPDATE {schema}.data_key SET master_key_id = $3, wrapped = $4
                 WHERE tenant_id = $1 AND data_key_id = $2 AND master_key_id = $5"
            )))
            .bind(tenant)
            .bind(id)
            .bind(self.masters.current().id())
            .bind(wrapped)
            .bind(row.try_get::<String, _>("master_key_id")?)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            rewrapped += changed.rows_affected();
        }
        Ok(rewrapped)
    }

    async fn make_key(&self, tx: &mut TenantTx) -> Result<(Uuid, DataKey), EnvelopeError> {
        let (id, key) = (Uuid::new_v4(), DataKey::generate()?);
        let master = self.masters.current();
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO {}.data_key (tenant_id, data_key_id, master_key_id, wrapped) VALUES ($1, $2, $3, $4)",
            tx.schema()
        )))
        .bind(tx.tenant().uuid())
        .bind(id)
        .bind(master.id())
        .bind(master.wrap(tx.tenant(), id, &key)?)
        .execute(&mut **tx)
        .await?;
        Ok((id, key))
    }

    fn opened(&self, tenant: TenantId, row: &sqlx::postgres::PgRow) -> Result<DataKey, EnvelopeError> {
        let id: Uuid = row.try_get("data_key_id")?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = open.get(&(tenant, id)) {
            return Ok(key.clone());
        }
        let master: String = row.try_get("master_key_id")?;
        let key = self.masters.named(&master)?.unwrap(tenant, id, &row.try_get::<Vec<u8>, _>("wrapped")?)?;
        if open.len() >= KEPT_OPEN {
            open.clear();
        }
        open.insert((tenant, id), key.clone());
        Ok(key)
    }
}

async fn row(tx: &mut TenantTx, id: Uuid) -> Result<sqlx::postgres::PgRow, EnvelopeError> {
    sqlx::query(AssertSqlSafe(format!(
        "SELECT data_key_id, master_key_id, wrapped FROM {}.data_key WHERE tenant_id = $1 AND data_key_id = $2",
        tx.schema()
    )))
    .bind(tx.tenant().uuid())
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(EnvelopeError::DataKeyMissing)
}
