//! What nobody waits for any longer: attempts LINE said nothing of, take-over requests nobody answered, form tokens and invitations
//! long ended.

use std::time::Duration;

use chassis::Host;
use chassis::audit::Actor;
use chrono::TimeDelta;
use identity_linking_core::link::TakeoverState;
use identity_linking_core::matching::Refusal;
use kernel::{LinkAttemptId, TakeoverRequestId, TenantId, Timestamp};
use uuid::Uuid;

use super::{decision, takeover as rules};
use crate::change::ChangeError;
use crate::postgres::{
    Position, form_token, link_attempt, staff_bind_attempt, staff_form_token, staff_invitation, takeover,
};
use crate::registry::Registry;

/// Taken at once.
const BATCH: i64 = 64;
/// Before everything.
const START: Position = (Timestamp::UNIX_EPOCH, Uuid::nil());
/// How often it is looked.
const EVERY: Duration = Duration::from_secs(5);
/// How long an ended form token is remembered, so that whoever comes with it is told why.
const REMEMBERED: TimeDelta = TimeDelta::days(7);
/// How long it is kept who typed which code: for as long as somebody may wonder.
const BIND_ATTEMPTS_KEPT: TimeDelta = TimeDelta::days(30);
/// How long it is kept after its time who was invited: longer than who typed the code.
const INVITATIONS_KEPT: TimeDelta = TimeDelta::days(90);
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
    let mut after = START;
    loop {
        let unheard = link_attempt::unheard(&registry.database, now, after, BATCH).await?;
        for (_, tenant, id) in &unheard {
            carry_on(give_up(registry, *tenant, *id).await, id.uuid())?;
        }
        match unheard.last() {
            Some((until, _, id)) if is_full(unheard.len()) => after = (*until, id.uuid()),
            _ => break,
        }
    }
    let mut after = START;
    loop {
        let unanswered = takeover::unanswered(&registry.database, now, after, BATCH).await?;
        for (_, tenant, id) in &unanswered {
            carry_on(expire(registry, *tenant, *id).await, id.uuid())?;
        }
        match unanswered.last() {
            Some((end, _, id)) if is_full(unanswered.len()) => after = (*end, id.uuid()),
            _ => break,
        }
    }
    let (database, full) = (&registry.database, BATCH.unsigned_abs());
    while form_token::drop_ended(database, now - REMEMBERED, BATCH).await? >= full {}
    while staff_form_token::drop_ended(database, now - REMEMBERED, BATCH).await? >= full {}
    while staff_bind_attempt::drop_old(database, now - BIND_ATTEMPTS_KEPT, BATCH).await? >= full {}
    while staff_invitation::drop_ended(database, now - INVITATIONS_KEPT, BATCH).await? >= full {}
    Ok(())
}

/// Whether more may be behind a batch.
fn is_full(length: usize) -> bool {
    i64::try_from(length).is_ok_and(|length| length >= BATCH)
}

/// What is wrong with one keeps no other from its end: it is stepped past, and tried again the next time.
fn carry_on(outcome: Result<(), ChangeError>, id: Uuid) -> Result<(), ChangeError> {
    match outcome {
        Err(error) if !error.is_unavailable() => {
            tracing::error!(error = %error, %id, "something nobody waits for any longer cannot be ended");
            metrics::counter!("tsunagi_identity_sweep_failures_total").increment(1);
            Ok(())
        }
        outcome => outcome,
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
