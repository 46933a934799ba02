//! Figures that alerts and dashboards stand on, told by the running services.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::{Clock as _, MessageId, SystemClock};
use messaging_outbox_core::quota::QuotaMonth;
use sqlx::{Connection as _, PgConnection};
use tests::{Options, Platform, Service};
use uuid::Uuid;

const SOON: Duration = Duration::from_mins(1);

/// The figures of a service, by name and labels as they are told.
async fn figures(platform: &Platform, service: Service) -> BTreeMap<String, f64> {
    let url = format!("http://127.0.0.1:{}/metrics", platform.admin(service));
    let Ok(answer) = reqwest::get(&url).await else { return BTreeMap::new() };
    let text = answer.text().await.unwrap_or_default();
    let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    lines.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

async fn told(
    platform: &Platform,
    service: Service,
    name: &str,
    fits: impl Fn(f64) -> bool,
) -> Result<(), testkit::NotReached> {
    testkit::eventually(SOON, async || {
        let figures = figures(platform, service).await;
        if figures.get(name).is_some_and(|value| fits(*value)) { Ok(()) } else { Err(format!("{name} in {figures:?}")) }
    })
    .await
}

/// A figure nobody tells alerts nobody: what must be there from the start is there, rare counters as zero.
#[tokio::test(flavor = "multi_thread")]
async fn what_alerts_stand_on_is_told_from_the_start() -> anyhow::Result<()> {
    let platform = Platform::start(Options::default()).await?;
    for service in Service::ALL {
        for name in ["tsunagi_ready", "tsunagi_bus_connected"] {
            told(&platform, service, name, |value| value > 0.9).await?;
        }
    }
    let zeros = [
        (Service::WebhookIngest, "tsunagi_bus_spilled_packs"),
        (Service::WebhookIngest, "tsunagi_bus_spill_failures_total"),
        (Service::WebhookIngest, "tsunagi_ingest_unpublishable_total"),
        (Service::WebhookIngest, "tsunagi_ingest_refused_by_store_total"),
        (Service::WebhookIngest, "tsunagi_ingest_unreadable_bodies_total"),
        (Service::WebhookIngest, "tsunagi_bus_streams_lost_total{stream=\"LINE_WEBHOOK\"}"),
        (Service::WebhookIngest, "tsunagi_ingest_webhooks_total{answer=\"unavailable\"}"),
        (Service::WebhookIngest, "tsunagi_ingest_forwarded_total{outcome=\"expired\"}"),
        (Service::WebhookIngest, "tsunagi_ingest_forwarded_total{outcome=\"refused\"}"),
        (Service::WebhookIngest, "tsunagi_ingest_forwarding_oldest_seconds"),
        (Service::WebhookIngest, "tsunagi_ingest_forwarding_targets_down"),
        (Service::WebhookIngest, "tsunagi_ingest_forwarding_targets_paused"),
        (Service::IdentityLinking, "tsunagi_bus_dead_letters{consumer=\"identity_line_webhook\"}"),
        (Service::MessagingOutbox, "tsunagi_messaging_settled_total{state=\"UNCERTAIN\"}"),
        (Service::MessagingOutbox, "tsunagi_messaging_line_failures_total{kind=\"unauthorized\"}"),
        (Service::MessagingOutbox, "tsunagi_messaging_queue{state=\"stuck\"}"),
        (Service::MessagingOutbox, "tsunagi_messaging_oldest_waiting_seconds"),
        (Service::MessagingOutbox, "tsunagi_messaging_scheduled_overdue"),
        (Service::MessagingOutbox, "tsunagi_messaging_oldest_notice_seconds"),
        (Service::MessagingOutbox, "tsunagi_messaging_oldest_digest_seconds"),
        (Service::MessagingOutbox, "tsunagi_messaging_bars_behind"),
        (Service::MessagingOutbox, "tsunagi_messaging_quota_accounts{state=\"used_up\"}"),
        (Service::MessagingOutbox, "tsunagi_messaging_quota_accounts{state=\"nearly\"}"),
        (Service::Scheduler, "tsunagi_scheduler_timers{state=\"near\"}"),
        (Service::Scheduler, "tsunagi_scheduler_timers{state=\"overdue\"}"),
        (Service::Scheduler, "tsunagi_scheduler_oldest_timer_seconds"),
        (Service::Scheduler, "tsunagi_scheduler_timers_fired_total{owner=\"message\"}"),
        (Service::Scheduler, "tsunagi_scheduler_timers_missed_total{reason=\"too_late\"}"),
        (Service::Scheduler, "tsunagi_scheduler_digest_overdue_seconds"),
        (Service::Scheduler, "tsunagi_scheduler_digest_slots_missed_total{reason=\"too_late\"}"),
        (Service::Scheduler, "tsunagi_scheduler_digest_failures_total"),
        (Service::Scheduler, "tsunagi_scheduler_replanning_overdue_seconds"),
        (Service::Scheduler, "tsunagi_scheduler_replanning_failures_total"),
    ];
    for (service, name) in zeros {
        told(&platform, service, name, |value| value.abs() < 0.1).await?;
    }
    Ok(())
}

/// Accounts whose quota runs out are counted, and a message that nobody sends is seen to wait; one that waits for a
/// moment of its own, and those behind it in its conversation, are not.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_out_of_quota_and_messages_nobody_sends_are_counted() -> anyhow::Result<()> {
    let services = vec![Service::IdentityLinking];
    let mut platform = Platform::start(Options { services, ..Options::default() }).await?;
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    let now = SystemClock.now();
    for (limit, used) in [(100, 100), (100, 101), (100, 95), (100, 90), (0, 0)] {
        sqlx::query(
            "INSERT INTO messaging.quota (tenant_id, account_id, month, limited, monthly_limit, used)
             VALUES (gen_random_uuid(), gen_random_uuid(), $1, $2 > 0, $2, $3)",
        )
        .bind(QuotaMonth::of(now).first_day())
        .bind(i64::from(limit))
        .bind(i64::from(used))
        .execute(&mut admin)
        .await?;
    }
    // Somebody else is to send for the account, and does not.
    sqlx::query(
        "INSERT INTO messaging.lane (tenant_id, account_id, holder, epoch, lease_until, taken_over)
         VALUES ($1, $1, gen_random_uuid(), 1, 'infinity', false)",
    )
    .bind(Uuid::from_u128(7))
    .execute(&mut admin)
    .await?;
    let queue = async |admin: &mut PgConnection, conversation: Uuid, minutes: i64, deferred: bool| {
        sqlx::query(
            "INSERT INTO messaging.send
                 (tenant_id, account_id, class, message_id, conversation_id, policy, deferred, due)
             VALUES ($1, $1, 0, $2, $3, 0, $4, CASE WHEN $4 THEN now() + interval '1 hour' END)",
        )
        .bind(Uuid::from_u128(7))
        .bind(MessageId::new(now - chrono::TimeDelta::minutes(minutes)).uuid())
        .bind(conversation)
        .bind(deferred)
        .execute(admin)
        .await
    };
    let (held_back, other, later) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    queue(&mut admin, held_back, 300, true).await?;
    queue(&mut admin, held_back, 200, false).await?;
    queue(&mut admin, other, 10, false).await?;
    queue(&mut admin, later, 3, false).await?;

    // A message's time passed ten minutes ago, and nobody says so; of another one it has just come.
    for minutes in [10, 1, -60] {
        sqlx::query(
            "INSERT INTO messaging.scheduled_send (tenant_id, message_id, conversation_id, account_id, generation, send_time,
                 late_seconds, policy, silent)
             VALUES ($1, gen_random_uuid(), $1, $1, 1, now() - make_interval(mins => $2), 3600, 1, false)",
        )
        .bind(Uuid::from_u128(7))
        .bind(minutes)
        .execute(&mut admin)
        .await?;
    }

    platform.start_service(Service::MessagingOutbox, &BTreeMap::new()).await?;
    let messaging = Service::MessagingOutbox;
    told(&platform, messaging, "tsunagi_messaging_quota_accounts{state=\"used_up\"}", |value| {
        (value - 2.0).abs() < 0.1
    })
    .await?;
    told(&platform, messaging, "tsunagi_messaging_quota_accounts{state=\"nearly\"}", |value| (value - 1.0).abs() < 0.1)
        .await?;
    let ten_minutes = |value| (590.0..700.0).contains(&value);
    told(&platform, messaging, "tsunagi_messaging_oldest_waiting_seconds", ten_minutes).await?;
    told(&platform, messaging, "tsunagi_messaging_scheduled_overdue", |value| (value - 1.0).abs() < 0.1).await?;
    Ok(())
}
