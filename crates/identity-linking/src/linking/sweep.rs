//! What nobody waits for any longer: attempts LINE said nothing of, take-over requests nobody answered, form tokens long ended.

use std::time::Duration;

use chassis::Host;
use chassis::audit::Actor;
use chrono::TimeDelta;
use identity_linking_core::link::TakeoverState;
use identity_linking_core::matching::Refusal;
use kernel::{LinkAttemptId, TakeoverRequestId, TenantId};

use super::{decision, takeover as rules};
use crate::change::ChangeError;
use crate::postgres::{form_token, link_attempt, takeover};
use crate::registry::Registry;

/// Taken at once.
const BATCH: i64 = 64;
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);
/// How long an ended form token is remembered, so that whoever comes with it is told why.
const REMEMBERED: TimeDelta = TimeDelta::days(7);
const BY_RULE: Actor = Actor::Service("identity-linking");

/// Sweeps under `host` until it stops.
pub(crate) fn spawn(host: &Host, registry: Registry) {
    let stopping = host.stopping();
    host.spawn("identity.linking_sweep", async move {
        while !stopping.is_cancelled() {
            if let Err(error) = once(&registry).await {
                tracing::warn!(error = %error, "what nobody waits for any longer stays for now");
            }
            stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await;
        }
        Ok(())
    });
}

async fn once(registry: &Registry) -> Result<(), ChangeError> {
    let now = registry.now();
    loop {
        let unheard = link_attempt::unheard(&registry.database, now, BATCH).await?;
        let mut done = 0;
        for (tenant, id) in &unheard {
            done += usize::from(carry_on(give_up(registry, *tenant, *id).await)?);
        }
        // One that cannot be done stays foremost, so a batch of nothing else ends it.
        if done == 0 || i64::try_from(unheard.len()).unwrap_or(i64::MAX) < BATCH {
            break;
        }
    }
    for (tenant, id) in takeover::unanswered(&registry.database, now, BATCH).await? {
        carry_on(expire(registry, tenant, id).await)?;
    }
    form_token::drop_ended(&registry.database, now - REMEMBERED, BATCH).await?;
    Ok(())
}

/// Whether it was done. What is wrong with one keeps no other from its end.
fn carry_on(outcome: Result<(), ChangeError>) -> Result<bool, ChangeError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.is_unavailable() => Err(error),
        Err(error) => {
            tracing::error!(error = %error, "something nobody waits for any longer cannot be ended");
            metrics::counter!("tsunagi_identity_sweep_failures_total").increment(1);
            Ok(false)
        }
    }
}

/// Refuses an attempt that LINE said nothing of. Should LINE's word still come, it counts.
async fn give_up(registry: &Registry, tenant: TenantId, id: LinkAttemptId) -> Result<(), ChangeError> {
    let now = registry.now();
    let mut tx = registry.database.tenant(tenant).await?;
    let attempt = link_attempt::lock(&mut tx, id).await?.filter(|attempt| attempt.decided.is_none());
    if let Some(attempt) = attempt {
        decision::by_refusal(&mut tx, &BY_RULE, now, attempt, Refusal::NotConfirmedByLine).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn expire(registry: &Registry, tenant: TenantId, id: TakeoverRequestId) -> Result<(), ChangeError> {
    let now = registry.now();
    let mut tx = registry.database.tenant(tenant).await?;
    let request = takeover::lock(&mut tx, id).await?.filter(|request| request.state == TakeoverState::Open);
    if let Some(request) = request {
        rules::settle(&mut tx, &BY_RULE, now, request, (TakeoverState::Expired, None, None)).await?;
        tx.commit().await?;
    }
    Ok(())
}
