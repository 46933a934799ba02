//! What a call needs: the target's address and the body, read inside the tenant.

use bytes::Bytes;
use chassis::envelope::EnvelopeError;
use chassis::postgres::{Database, TenantTx};
use kernel::{AccountId, BodyId, Timestamp};
use sqlx::Row;
use uuid::Uuid;

use super::claim::Job;
use crate::erasure::is_to_be_erased;
use crate::vault::Vault;

/// What was found.
pub(super) enum Loaded {
    /// To be called.
    Call { url: String, payload: Bytes, received_at: Timestamp },
    /// The target's URL was changed behind the service's back, and opens no more.
    Nowhere,
    /// The target was paused meanwhile.
    Paused,
    /// The target is gone.
    TargetGone,
    /// Something was cut out of the body, so that its signature no longer fits; or is to be, and no look has found it yet.
    Erased,
    /// The archive has the body no more, or nobody can open it.
    BodyGone,
}

/// Why nothing can be told of a job now.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the database is away or refused")]
    Database(#[from] sqlx::Error),
    #[error("the body or the URL cannot be decrypted now")]
    Vault(#[from] EnvelopeError),
}

/// Reads what the job needs.
pub(super) async fn load(database: &Database, vault: &Vault, job: &Job) -> Result<Loaded, LoadError> {
    let mut tx = database.tenant(job.tenant).await?;
    let query = "SELECT url, pause_reason FROM ingest.forwarding_target WHERE tenant_id = $1 AND target_id = $2";
    let target = sqlx::query(query).bind(job.tenant.uuid()).bind(job.target).fetch_optional(&mut *tx).await?;
    let Some(target) = target else { return Ok(Loaded::TargetGone) };
    if target.try_get::<Option<i16>, _>(1)?.is_some() {
        return Ok(Loaded::Paused);
    }
    let kept = kept(&mut tx, job.body).await?;
    let Some(kept) = kept else { return Ok(Loaded::BodyGone) };
    let Some(sealed) = kept.sealed else { return Ok(Loaded::Erased) };
    let url = match vault.open_url(database, job.tenant, job.target, target.try_get(0)?).await {
        Err(EnvelopeError::Ciphertext) => {
            tracing::error!(forwarding.target = %job.target, "the URL of a forwarding target cannot be decrypted");
            return Ok(Loaded::Nowhere);
        }
        url => url?,
    };
    match vault.open(database, job.tenant, job.body, &sealed).await {
        Ok(payload) if is_to_be_erased(&mut tx, vault, kept.account, &payload).await? => Ok(Loaded::Erased),
        Ok(payload) => Ok(Loaded::Call { url, payload, received_at: kept.received_at }),
        // Changed since it was kept: it opens never, and holds up nobody.
        Err(EnvelopeError::Ciphertext) => {
            tracing::error!(body = %job.body, "a body that is to be forwarded cannot be decrypted");
            Ok(Loaded::BodyGone)
        }
        Err(error) => Err(error.into()),
    }
}

/// A body of the archive.
struct Kept {
    /// As LINE sent it, encrypted; none when it is not that any more.
    sealed: Option<Vec<u8>>,
    account: AccountId,
    received_at: Timestamp,
}

async fn kept(tx: &mut TenantTx, body: BodyId) -> Result<Option<Kept>, sqlx::Error> {
    let query =
        "SELECT payload, redacted_at, verified_at, account_id FROM ingest.body WHERE tenant_id = $1 AND body_id = $2";
    let row = sqlx::query(query).bind(tx.tenant().uuid()).bind(body.uuid()).fetch_optional(&mut **tx).await?;
    let Some(row) = row else { return Ok(None) };
    let is_whole = row.try_get::<Option<Timestamp>, _>(1)?.is_none();
    let sealed = if is_whole { Some(row.try_get(0)?) } else { None };
    let account = AccountId::from(row.try_get::<Uuid, _>(3)?);
    Ok(Some(Kept { sealed, account, received_at: row.try_get(2)? }))
}
