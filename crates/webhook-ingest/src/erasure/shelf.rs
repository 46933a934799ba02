//! Where bodies lie: reading them in portions, and cutting what is sought out of them.

use bytes::Bytes;
use chassis::envelope::EnvelopeError;
use chassis::postgres::{Database, TenantTx};
use kernel::{BodyId, TenantId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;
use webhook_ingest_core::{Redacted, Sought, redact};

use crate::vault::Vault;

/// Bodies of one portion, and the bytes after which it takes no more.
const PORTION: i64 = 500;
const PORTION_BYTES: i64 = 4 * 1_024 * 1_024;

/// Where bodies lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shelf {
    /// All that were taken.
    Taken,
    /// Of those, the ones with an event that is found in another body, or not at all.
    Shared,
    /// The quarantined ones.
    Quarantined,
}

/// A run of a shelf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) shelf: Shelf,
    /// Nil: every account of the tenant.
    pub(super) account: Uuid,
    /// Only bodies behind this one.
    pub(super) after: Uuid,
    /// Only bodies before this one.
    pub(super) before: Uuid,
}

/// A body as it is kept.
struct Kept {
    body: BodyId,
    account: Uuid,
    received_at: Timestamp,
    sealed: Vec<u8>,
}

/// A body that holds something of what is sought.
pub(super) struct Found {
    pub(super) body: BodyId,
    pub(super) account: Uuid,
    pub(super) received_at: Timestamp,
    /// As it is still kept.
    pub(super) payload: Bytes,
    /// What each cuts out of what the ones before it left, by the number of what was sought.
    pub(super) cuts: Vec<(usize, Redacted)>,
}

/// A portion of a run that was looked through.
pub(super) struct Portion {
    pub(super) found: Vec<Found>,
    /// The last body of it.
    pub(super) last: Uuid,
}

/// The shelves of one tenant.
#[derive(Clone, Copy)]
pub(super) struct Shelves<'a> {
    pub(super) database: &'a Database,
    pub(super) vault: &'a Vault,
    pub(super) tenant: TenantId,
}

impl Shelf {
    const fn table(self) -> &'static str {
        match self {
            Self::Taken | Self::Shared => "ingest.body",
            Self::Quarantined => "ingest.quarantined_body",
        }
    }

    const fn condition(self) -> &'static str {
        match self {
            Self::Taken | Self::Quarantined => "true",
            Self::Shared => "shared",
        }
    }
}

impl Shelves<'_> {
    /// Looks through the next portion of a run, and locks nothing; none where the run is at its end.
    pub(super) async fn look(&self, run: Run, sought: &[Sought]) -> Result<Option<Portion>, EnvelopeError> {
        let text = format!(
            "SELECT body_id, account_id, verified_at, payload FROM (
                 SELECT body_id, account_id, verified_at, payload,
                     sum(octet_length(payload)) OVER (ORDER BY body_id) - octet_length(payload) AS bytes_before
                 FROM {}
                 WHERE tenant_id = $1 AND ($2 = $3 OR account_id = $2) AND body_id > $4 AND body_id < $5 AND {}
                 ORDER BY body_id LIMIT $6
             ) portion WHERE bytes_before < $7 ORDER BY body_id",
            run.shelf.table(),
            run.shelf.condition()
        );
        let mut tx = self.database.tenant_planning_anew(self.tenant).await?;
        let rows = sqlx::query(AssertSqlSafe(text))
            .bind(self.tenant.uuid())
            .bind(run.account)
            .bind(Uuid::nil())
            .bind(run.after)
            .bind(run.before)
            .bind(PORTION)
            .bind(PORTION_BYTES)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        let kept = rows.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = kept.last().map(|kept| kept.body.uuid()) else { return Ok(None) };
        Ok(Some(Portion { found: self.find(kept, sought).await?, last }))
    }

    /// Looks through these bodies, and locks nothing.
    pub(super) async fn look_at(&self, bodies: &[Uuid], sought: &[Sought]) -> Result<Vec<Found>, EnvelopeError> {
        let mut found = Vec::new();
        for body in bodies {
            let mut tx = self.database.tenant(self.tenant).await?;
            let query = "SELECT body_id, account_id, verified_at, payload FROM ingest.body WHERE tenant_id = $1 AND body_id = $2";
            let row = sqlx::query(query).bind(self.tenant.uuid()).bind(body).fetch_optional(&mut *tx).await?;
            tx.commit().await?;
            found.extend(self.find(row.as_ref().map(kept).transpose()?.into_iter().collect(), sought).await?);
        }
        Ok(found)
    }

    async fn find(&self, kept: Vec<Kept>, sought: &[Sought]) -> Result<Vec<Found>, EnvelopeError> {
        let mut found = Vec::new();
        for Kept { body, account, received_at, sealed } in kept {
            let Some(payload) = self.opened(body, &sealed).await? else { continue };
            let cuts = cuts(&payload, sought);
            if !cuts.is_empty() {
                found.push(Found { body, account, received_at, payload, cuts });
            }
        }
        Ok(found)
    }

    /// Cuts what is sought out of these bodies; tells from how many events it was, of each that is sought. The bodies are locked one after
    /// the other in the order of their IDs, so that two who erase never wait for each other in a circle.
    pub(super) async fn cut(
        &self,
        tx: &mut TenantTx,
        shelf: Shelf,
        found: &[Found],
        sought: &[Sought],
    ) -> Result<Vec<usize>, EnvelopeError> {
        let mut bodies: Vec<BodyId> = found.iter().map(|found| found.body).collect();
        bodies.sort_unstable();
        bodies.dedup();
        let table = shelf.table();
        let mut erased = vec![0; sought.len()];
        for body in bodies {
            let read = format!("SELECT payload FROM {table} WHERE tenant_id = $1 AND body_id = $2 FOR UPDATE");
            let read = sqlx::query_scalar(AssertSqlSafe(read)).bind(self.tenant.uuid()).bind(body.uuid());
            let Some(sealed): Option<Vec<u8>> = read.fetch_optional(&mut **tx).await? else { continue };
            let Some(payload) = self.opened(body, &sealed).await? else { continue };
            let cuts = cuts(&payload, sought);
            let Some((_, last)) = cuts.last() else { continue };
            let write = format!(
                "UPDATE {table} SET payload = $3, redacted_at = coalesce(redacted_at, now()) WHERE tenant_id = $1 AND body_id = $2"
            );
            let write = sqlx::query(AssertSqlSafe(write)).bind(self.tenant.uuid()).bind(body.uuid());
            write.bind(self.vault.seal(self.tenant, body, &last.body)?).execute(&mut **tx).await?;
            for (nth, cut) in &cuts {
                erased[*nth] += cut.erased();
            }
        }
        Ok(erased)
    }

    /// The bytes of a body; none of one that was settled in the quarantine, or that opens no more: nobody reads it.
    async fn opened(&self, body: BodyId, sealed: &[u8]) -> Result<Option<Bytes>, EnvelopeError> {
        if sealed.is_empty() {
            return Ok(None);
        }
        match self.vault.open(self.database, self.tenant, body, sealed).await {
            Ok(payload) => Ok(Some(payload)),
            Err(EnvelopeError::Ciphertext) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn kept(row: &PgRow) -> Result<Kept, sqlx::Error> {
    Ok(Kept {
        body: row.try_get::<Uuid, _>(0)?.into(),
        account: row.try_get(1)?,
        received_at: row.try_get(2)?,
        sealed: row.try_get(3)?,
    })
}

fn cuts(payload: &Bytes, sought: &[Sought]) -> Vec<(usize, Redacted)> {
    let mut cuts: Vec<(usize, Redacted)> = Vec::new();
    for (nth, sought) in sought.iter().enumerate() {
        let left = cuts.last().map_or(payload, |(_, redacted)| &redacted.body);
        let cut = redact(left, sought);
        cuts.extend(cut.map(|cut| (nth, cut)));
    }
    cuts
}
