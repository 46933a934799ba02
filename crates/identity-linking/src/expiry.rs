//! Former channel secrets and webhook keys, dropped when their time has ended, so that the replicas hold no more than is valid.

use std::time::Duration;

use chassis::Host;
use chassis::audit::Actor;
use contracts::events::v1::identity_event::Body;
use kernel::{AccountId, TenantId};

use crate::change::{self, ChangeError, Subject};
use crate::postgres::{account, channel_secret, webhook_key};
use crate::registry::Registry;
use crate::replica;

/// Accounts taken at once.
const BATCH: i64 = 32;
/// How often ended secrets are looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Drops ended secrets under `host` until it stops.
pub(crate) fn spawn(host: &Host, registry: Registry) {
    let stopping = host.stopping();
    host.spawn("identity.expiry", async move {
        while !stopping.is_cancelled() {
            if let Err(error) = batch(&registry).await {
                tracing::warn!(error = %error, "ended secrets stay for now");
            }
            stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await;
        }
        Ok(())
    });
}

async fn batch(registry: &Registry) -> Result<(), ChangeError> {
    for (tenant, id) in account::claim_expired(&registry.database, BATCH).await? {
        match drop_ended(registry, tenant, id).await {
            Ok(()) => {}
            Err(error) if error.is_unavailable() => return Err(error),
            // What is wrong with one account keeps no other's secrets alive; it is tried again in a minute.
            Err(error) => {
                tracing::error!(%tenant, account = %id, error = %error, "an account's ended secrets cannot be dropped");
                metrics::counter!("tsunagi_identity_expiry_failures_total").increment(1);
            }
        }
    }
    Ok(())
}

/// Drops an account's ended secrets and keys, tells its new version, and notes when the next one ends.
async fn drop_ended(registry: &Registry, tenant: TenantId, id: AccountId) -> Result<(), ChangeError> {
    let now = registry.now();
    let mut tx = registry.database.tenant(tenant).await?;
    let found = account::lock(&mut tx, id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let dropped = channel_secret::drop_expired(&mut tx, id).await? + webhook_key::drop_expired(&mut tx, id).await?;
    account::plan_expiry(&mut tx, id).await?;
    if dropped > 0 {
        let value = found.stored.value.clone();
        let stored = found.stored.changed(value);
        account::update(&mut tx, &stored).await?;
        let body = Body::Account(replica::account(&mut tx, &registry.vault, &stored).await?);
        let subject = Subject { kind: "account", id: id.uuid(), version: stored.version };
        let actor = Actor::Service("identity-linking");
        change::record(&mut tx, &actor, "account.drop_ended_secrets", subject, now, body).await?;
        metrics::counter!("tsunagi_identity_secrets_ended_total").increment(dropped);
    }
    tx.commit().await?;
    Ok(())
}
