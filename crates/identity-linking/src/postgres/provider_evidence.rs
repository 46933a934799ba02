//! Which accounts hear of the same LINE users.

use chassis::postgres::TenantTx;
use identity_linking_core::provider::{Declared, MAX_EVIDENCE, ProviderEvidence, ProviderVerdict};
use kernel::{ProviderId, Timestamp};
use line_types::id::UserId;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::{key_lock, row};

/// Evidence as it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredEvidence {
    /// The evidence.
    pub(crate) value: ProviderEvidence,
    /// When it was found first.
    pub(crate) create_time: Timestamp,
}

fn evidence(row: &PgRow) -> Result<ProviderEvidence, sqlx::Error> {
    Ok(ProviderEvidence {
        account: row::id(row, "account_id")?,
        other_account: row::id(row, "other_account_id")?,
        verdict: row::word(row, "verdict", ProviderVerdict::named)?,
    })
}

/// Waits for whoever hears of the same LINE user IDs just now, under whatever provider: of two accounts that do so at once, the later
/// one sees what the earlier did. Held until the transaction ends.
pub(crate) async fn lock_users(tx: &mut TenantTx, users: &[&UserId]) -> Result<(), sqlx::Error> {
    let tenant = tx.tenant();
    let keys: Vec<String> = users.iter().map(|user| format!("{tenant}/line_user/{}", user.as_str())).collect();
    key_lock::take(tx, keys).await
}

/// Which accounts know LINE users that others heard of, each with the one that heard. Looked up under every provider there is, by
/// what is unique, so that nothing reads all LINE users.
pub(crate) async fn who_knows(
    tx: &mut TenantTx,
    heard: &[(Declared, &UserId)],
) -> Result<Vec<(Declared, Declared)>, sqlx::Error> {
    let accounts: Vec<Uuid> = heard.iter().map(|(by, _)| by.account.uuid()).collect();
    let providers: Vec<Uuid> = heard.iter().map(|(by, _)| by.provider.uuid()).collect();
    let users: Vec<&str> = heard.iter().map(|(_, user)| user.as_str()).collect();
    let rows = sqlx::query(
        "SELECT DISTINCT h.account_id, h.provider_id, f.account_id AS knowing_account_id, p.provider_id AS knowing_provider_id
         FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS h (account_id, provider_id, line_user_id)
         CROSS JOIN (SELECT provider_id FROM identity.provider WHERE tenant_id = $1) p
         CROSS JOIN LATERAL (
             SELECT friend_id FROM identity.line_user
             WHERE tenant_id = $1 AND provider_id = p.provider_id AND line_user_id = h.line_user_id LIMIT 1) u
         CROSS JOIN LATERAL (
             SELECT account_id FROM identity.friendship WHERE tenant_id = $1 AND friend_id = u.friend_id OFFSET 0) f",
    )
    .bind(tx.tenant().uuid())
    .bind(accounts)
    .bind(providers)
    .bind(users)
    .fetch_all(&mut **tx)
    .await?;
    let declared = |row: &PgRow, account, provider| {
        Ok::<_, sqlx::Error>(Declared { account: row::id(row, account)?, provider: row::id(row, provider)? })
    };
    let pair = |row: &PgRow| {
        let hearing = declared(row, "account_id", "provider_id")?;
        Ok((hearing, declared(row, "knowing_account_id", "knowing_provider_id")?))
    };
    rows.iter().map(pair).collect()
}

/// Keeps evidence that is not kept yet; which that was.
pub(crate) async fn insert_new(
    tx: &mut TenantTx,
    found: &[ProviderEvidence],
    now: Timestamp,
) -> Result<Vec<ProviderEvidence>, sqlx::Error> {
    // In one order everywhere, so that two transactions do not lock each other out.
    let rows = sqlx::query(
        "INSERT INTO identity.provider_evidence (tenant_id, account_id, other_account_id, verdict, create_time)
         SELECT $1, e.account_id, e.other_account_id, e.verdict, $5
         FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS e (account_id, other_account_id, verdict)
         ORDER BY e.account_id, e.other_account_id
         ON CONFLICT DO NOTHING RETURNING account_id, other_account_id, verdict",
    )
    .bind(tx.tenant().uuid())
    .bind(found.iter().map(|one| one.account.uuid()).collect::<Vec<_>>())
    .bind(found.iter().map(|one| one.other_account.uuid()).collect::<Vec<_>>())
    .bind(found.iter().map(|one| one.verdict.as_str()).collect::<Vec<_>>())
    .bind(now)
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(evidence).collect()
}

/// What is known of the accounts of `providers`: what refutes first, then the oldest, at most [`MAX_EVIDENCE`].
pub(crate) async fn list(tx: &mut TenantTx, providers: &[ProviderId]) -> Result<Vec<StoredEvidence>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT e.* FROM identity.provider_evidence e
         JOIN identity.official_account a ON a.tenant_id = $1 AND a.account_id = e.account_id
         JOIN identity.official_account o ON o.tenant_id = $1 AND o.account_id = e.other_account_id
         WHERE e.tenant_id = $1 AND (a.provider_id = ANY ($2) OR o.provider_id = ANY ($2))
         ORDER BY e.verdict = 'REFUTES' DESC, e.create_time, e.account_id, e.other_account_id LIMIT $3",
    )
    .bind(tx.tenant().uuid())
    .bind(providers.iter().map(|provider| provider.uuid()).collect::<Vec<_>>())
    .bind(i64::try_from(MAX_EVIDENCE).unwrap_or(i64::MAX))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter()
        .map(|row| Ok(StoredEvidence { value: evidence(row)?, create_time: row::get(row, "create_time")? }))
        .collect()
}
