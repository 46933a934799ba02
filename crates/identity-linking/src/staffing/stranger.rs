//! LINE users of staff accounts who are nobody's staff: forgotten when LINE told nothing of them for long.

use std::time::Duration;

use chassis::Host;
use chassis::postgres::TenantTx;
use chrono::TimeDelta;
use kernel::{AccountId, TenantId, Timestamp};
use line_types::id::UserId;
use uuid::Uuid;

use crate::postgres::{staff_contact, staff_guest_binding, staff_line_user};
use crate::registry::Registry;

/// How long one is known after LINE told of him last: that he was there, came back or blocked the account.
const KEPT: TimeDelta = TimeDelta::days(90);
/// How often it is looked for them. Whoever is staff is looked at each time, so not often.
const EVERY: Duration = Duration::from_hours(1);
/// Looked at in one transaction.
const BATCH: i64 = 64;

/// Forgets them under `host` until it stops.
pub(crate) fn spawn(host: &Host, registry: Registry) {
    let stopping = host.stopping();
    host.spawn("identity.strangers", async move {
        while !stopping.is_cancelled() {
            if let Err(error) = once(&registry).await {
                tracing::warn!(error = %error, "who is nobody's staff stays for now");
            }
            stopping.run_until_cancelled(tokio::time::sleep(EVERY)).await;
        }
        Ok(())
    });
}

async fn once(registry: &Registry) -> Result<(), sqlx::Error> {
    let heard = registry.now() - KEPT;
    let mut behind = Uuid::nil();
    while let Some(tenant) = staff_line_user::next_tenant(&registry.database, heard, behind).await? {
        of_tenant(registry, tenant, heard).await?;
        behind = tenant.uuid();
    }
    Ok(())
}

async fn of_tenant(registry: &Registry, tenant: TenantId, heard: Timestamp) -> Result<(), sqlx::Error> {
    let mut behind = None;
    loop {
        let mut tx = registry.database.tenant(tenant).await?;
        let mut old = staff_line_user::lock_old(&mut tx, heard, behind.as_ref(), BATCH).await?;
        for (account, user) in &old {
            if !is_staff(&mut tx, *account, user).await? {
                staff_line_user::forget(&mut tx, *account, user).await?;
            }
        }
        tx.commit().await?;
        let is_full = i64::try_from(old.len()).is_ok_and(|length| length >= BATCH);
        behind = old.pop().filter(|_| is_full);
        if behind.is_none() {
            return Ok(());
        }
    }
}

/// Whether a LINE user whose row is locked is staff of the account's tenant, or of one that the account serves.
async fn is_staff(tx: &mut TenantTx, account: AccountId, user: &UserId) -> Result<bool, sqlx::Error> {
    if staff_contact::bound_to(tx, account, user).await?.is_some() {
        return Ok(true);
    }
    let home = tx.tenant();
    for guest in staff_guest_binding::of(tx, account, user).await? {
        tx.turn_to(guest).await?;
        let bound = staff_contact::bound_to(tx, account, user).await;
        tx.turn_to(home).await?;
        if bound?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
