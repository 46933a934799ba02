//! Evidence of which accounts share their provider, from the LINE users they hear of (D-12).

use chassis::postgres::TenantTx;
use identity_linking_core::provider::{Declared, ProviderEvidence, ProviderVerdict};
use kernel::Timestamp;
use line_types::id::UserId;

use crate::postgres::provider_evidence;

/// Keeps what it tells that accounts heard of LINE users for the first time. Comes last in a transaction: what it locks, others
/// wait for, and it waits for nothing else afterwards.
pub(crate) async fn gather(
    tx: &mut TenantTx,
    heard: &[(Declared, &UserId)],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    // The usual case: everybody was known to the account.
    if heard.is_empty() {
        return Ok(());
    }
    let users: Vec<&UserId> = heard.iter().map(|(_, user)| *user).collect();
    provider_evidence::lock_users(tx, &users).await?;
    let known = provider_evidence::who_knows(tx, heard).await?;
    let found: Vec<_> = known.iter().filter_map(|(one, other)| ProviderEvidence::of_same_user(*one, *other)).collect();
    if found.is_empty() {
        return Ok(());
    }
    let new = provider_evidence::insert_new(tx, &found, now).await?;
    for refuting in new.iter().filter(|one| one.verdict == ProviderVerdict::Refutes) {
        metrics::counter!("tsunagi_identity_provider_contradictions_total").increment(1);
        tracing::warn!(
            account = %refuting.account,
            other_account = %refuting.other_account,
            "two accounts hear of the same LINE user, but two providers were declared for them"
        );
    }
    Ok(())
}
