//! Findings: counted in memory, added to the table every few seconds. A flood of bad requests is one row an hour.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::postgres::Database;
use kernel::{AccountId, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use webhook_ingest_core::{Counted, Finding, FindingKind, Tally};

/// How often counts are added to the table.
const EVERY: Duration = Duration::from_secs(2);

const ADD: &str = "
INSERT INTO ingest.finding (tenant_id, hour, account_id, kind, count, last_at)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::bigint[], $6::timestamptz[])
ORDER BY 1, 2, 3, 4
ON CONFLICT (tenant_id, hour, account_id, kind) DO UPDATE
SET count = finding.count + excluded.count, last_at = greatest(finding.last_at, excluded.last_at)";

/// The findings of this replica that are not in the table yet. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Arc<Mutex<Tally>>);

/// How a finding's kind is written in the table.
pub(crate) const fn kind_name(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::SignatureMissing => "signature_missing",
        FindingKind::SignatureWrong => "signature_wrong",
        FindingKind::WrongDestination => "wrong_destination",
        FindingKind::UnreadableBody => "unreadable_body",
        FindingKind::BodyTooLarge => "body_too_large",
        FindingKind::OutsideWindow => "outside_window",
        FindingKind::SignatureHeld => "signature_held",
    }
}

impl Findings {
    /// Counts one occurrence.
    pub(crate) fn count(&self, tenant: TenantId, account: AccountId, kind: FindingKind, now: Timestamp) {
        metrics::counter!("tsunagi_ingest_findings_total", "kind" => kind_name(kind)).increment(1);
        self.tally().count(tenant, account, kind, now);
    }

    /// Adds the counts to the table until `stopping`, and once more then.
    pub(crate) async fn keep(self, database: Database, stopping: CancellationToken) {
        while stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
            self.flush(&database).await;
        }
        self.flush(&database).await;
    }

    async fn flush(&self, database: &Database) {
        let taken = self.tally().take();
        if taken.is_empty() {
            return;
        }
        if let Err(error) = add(database, &taken).await {
            tracing::warn!(error = %error, "findings wait for the database");
            let mut tally = self.tally();
            for (finding, counted) in taken {
                tally.add(finding, counted);
            }
        }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn add(database: &Database, counts: &[(Finding, Counted)]) -> Result<(), sqlx::Error> {
    sqlx::query(ADD)
        .bind(counts.iter().map(|(finding, _)| finding.tenant.uuid()).collect::<Vec<Uuid>>())
        .bind(counts.iter().map(|(finding, _)| finding.hour).collect::<Vec<Timestamp>>())
        .bind(counts.iter().map(|(finding, _)| finding.account.uuid()).collect::<Vec<Uuid>>())
        .bind(counts.iter().map(|(finding, _)| kind_name(finding.kind)).collect::<Vec<&str>>())
        .bind(counts.iter().map(|(_, counted)| counted.count).collect::<Vec<i64>>())
        .bind(counts.iter().map(|(_, counted)| counted.last).collect::<Vec<Timestamp>>())
        .execute(database.worker())
        .await?;
    Ok(())
}
