//! Ends what was not delivered in its time though nobody said so: above all pushes that wait for an account that is paused, or for the
//! month's quota. And removes old notices.

use std::time::Duration;

use chassis::Host;
use chassis::postgres::Database;
use kernel::TenantId;
use messaging_outbox_core::notice::attempt::Reason;
use messaging_outbox_core::notice::channel::DeliveryState;
use messaging_outbox_core::route;

use super::{count_settled, line};
use crate::postgres::notice::delivery::{self, Overdue};
use crate::postgres::settle::{self, TakenBack};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(30);
/// For how long a delivery's time must be over: longer than an attempt that was under way then.
const SLACK_SECONDS: f64 = 240.0;
/// Tenants looked at in one round, and deliveries ended in one transaction.
const AT_ONCE: i64 = 500;

/// Starts looking under `host`.
pub(crate) fn spawn(host: &Host, database: &Database) {
    let (database, stopping) = (database.clone(), host.stopping());
    host.spawn("messaging.notice_overdue", async move {
        stopping.run_until_cancelled(keep_looking(&database)).await;
        Ok(())
    });
}

async fn keep_looking(database: &Database) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if let Err(error) = look(database, SLACK_SECONDS).await {
            tracing::warn!(error = %error, "notices whose time is over stay for now");
        }
    }
}

async fn look(database: &Database, slack: f64) -> Result<(), sqlx::Error> {
    for tenant in delivery::tenants_overdue(database.worker(), slack, AT_ONCE).await? {
        end_overdue(database, tenant, slack).await?;
    }
    Ok(())
}

async fn end_overdue(database: &Database, tenant: TenantId, slack: f64) -> Result<(), sqlx::Error> {
    let mut tx = database.tenant_planning_anew(tenant).await?;
    for Overdue { notice, channel, message } in delivery::overdue(&mut tx, slack, AT_ONCE).await? {
        let expired = match message {
            Some((account, message)) => {
                match settle::take_back(&mut tx, account, route::STAFF_NOTICE, message).await? {
                    TakenBack::Cancelled(taken) => {
                        line::end(&mut tx, &[taken.message.uuid()], DeliveryState::Expired, Some(Reason::NotReached))
                            .await?;
                        false
                    }
                    // Its lane has it by now, and ends it.
                    TakenBack::TooLate => false,
                }
            }
            None => delivery::expire(&mut tx, notice, channel, Reason::NotReached).await?,
        };
        if expired {
            tx.after_commit(move || count_settled(channel, DeliveryState::Expired, 1));
        }
    }
    tx.commit().await
}
