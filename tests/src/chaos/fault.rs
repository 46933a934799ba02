//! What can go wrong in a run, and how it is made and mended.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use line_simulator::{Effect, Fault as LineFault};

use super::dice::Dice;
use crate::platform::Platform;
use crate::service::Service;

/// One thing that goes wrong under load.
#[derive(Clone, Debug)]
pub enum Fault {
    /// SIGKILL at whatever the service is doing just then.
    Kill(Service),
    /// The service kills itself at a place in its code, at the nth pass.
    KillAt(Service, &'static str, u32),
    /// Postgres is killed (SIGKILL) and stays away for a while.
    PostgresAway(Duration),
    /// NATS is killed (SIGKILL) and stays away for a while.
    NatsAway(Duration),
    /// Every stream is deleted while everything runs.
    StreamsDeleted,
    /// Every stream is deleted while the consuming service is down.
    StreamsDeletedWhileDown(Service),
    /// LINE's API fails in one way, a few times.
    Line(Effect, u32),
}

/// Where the services can be killed from inside.
pub const PLACES: [(Service, &str); 20] = [
    (Service::WebhookIngest, "ingest.before_commit"),
    (Service::WebhookIngest, "ingest.after_commit"),
    (Service::WebhookIngest, "ingest.after_publish"),
    (Service::WebhookIngest, "ingest.before_mark"),
    (Service::MessagingOutbox, "messaging.before_inbound"),
    (Service::MessagingOutbox, "messaging.after_inbound"),
    (Service::MessagingOutbox, "messaging.before_claim"),
    (Service::MessagingOutbox, "messaging.after_claim"),
    (Service::MessagingOutbox, "messaging.before_call"),
    (Service::MessagingOutbox, "messaging.after_call"),
    (Service::MessagingOutbox, "messaging.after_freeze"),
    (Service::MessagingOutbox, "messaging.before_settle"),
    (Service::MessagingOutbox, "messaging.after_settle"),
    (Service::MessagingOutbox, "bus.relay.after_publish"),
    (Service::MessagingOutbox, "bus.consumer.after_commit"),
    (Service::IdentityLinking, "bus.consumer.before_commit"),
    (Service::IdentityLinking, "bus.consumer.after_commit"),
    (Service::IdentityLinking, "identity.before_event"),
    (Service::IdentityLinking, "identity.after_event"),
    (Service::IdentityLinking, "identity.after_commit"),
];

/// Services killed from outside.
const KILLED: [Service; 3] = [Service::WebhookIngest, Service::MessagingOutbox, Service::IdentityLinking];

impl Fault {
    /// Draws a fault.
    pub fn draw(dice: &mut Dice) -> Self {
        match dice.number(0, 11) {
            0..=2 => Self::Kill(*dice.one(&KILLED)),
            3..=6 => {
                let (service, place) = *dice.one(&PLACES);
                Self::KillAt(service, place, dice.number(1, 6))
            }
            7 => Self::PostgresAway(dice.duration(Duration::from_millis(100), Duration::from_secs(3))),
            8 => Self::NatsAway(dice.duration(Duration::from_millis(100), Duration::from_secs(3))),
            9 => Self::StreamsDeleted,
            10 => Self::StreamsDeletedWhileDown(*dice.one(&KILLED[1..])),
            _ => {
                let effects = [
                    Effect::RateLimited,
                    Effect::ServerError,
                    Effect::CutBefore,
                    Effect::AcceptedAnswerLost,
                    Effect::AcceptedThenServerError,
                ];
                Self::Line(dice.one(&effects).clone(), dice.number(1, 8))
            }
        }
    }

    /// Makes the fault, mends it, and tells how long the killed service took from its new start until it was ready.
    pub(super) async fn strike(&self, platform: &mut Platform, dice: &mut Dice) -> anyhow::Result<Option<Duration>> {
        match self {
            Self::Kill(service) => {
                platform.kill(*service).await?;
                start(platform, *service).await.map(Some)
            }
            Self::KillAt(service, place, pass) => {
                let armed = BTreeMap::from([("TSUNAGI_FAILPOINTS".to_owned(), format!("{place}=kill@{pass}"))]);
                platform.kill(*service).await?;
                platform.launch_service(*service, &armed)?;
                // The place may not be reached any more once the traffic is over; then it is killed from outside.
                if let Some(process) = platform.process(*service) {
                    let _ended = process.exit(Duration::from_secs(4)).await;
                }
                platform.kill(*service).await?;
                start(platform, *service).await.map(Some)
            }
            Self::PostgresAway(away) => {
                let postgres = platform.postgres.as_mut().context("no Postgres of its own")?;
                postgres.kill9().await?;
                tokio::time::sleep(*away).await;
                postgres.start_again().await?;
                Ok(None)
            }
            Self::NatsAway(away) => {
                let nats = platform.nats.as_mut().context("no NATS of its own")?;
                nats.kill9().await?;
                tokio::time::sleep(*away).await;
                nats.start_again().await?;
                Ok(None)
            }
            Self::StreamsDeleted => platform.delete_streams().await.map(|()| None),
            Self::StreamsDeletedWhileDown(service) => {
                platform.kill(*service).await?;
                tokio::time::sleep(dice.duration(Duration::from_millis(100), Duration::from_secs(1))).await;
                platform.delete_streams().await?;
                start(platform, *service).await.map(Some)
            }
            Self::Line(effect, times) => {
                platform.line().add_fault(&LineFault::times(effect.clone(), *times)).await?;
                Ok(None)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(service) => write!(f, "SIGKILL {}", service.binary()),
            Self::KillAt(service, place, pass) => write!(f, "SIGKILL {} at {place}, pass {pass}", service.binary()),
            Self::PostgresAway(away) => write!(f, "Postgres killed, away {} ms", away.as_millis()),
            Self::NatsAway(away) => write!(f, "NATS killed, away {} ms", away.as_millis()),
            Self::StreamsDeleted => f.write_str("every stream deleted"),
            Self::StreamsDeletedWhileDown(service) => write!(f, "every stream deleted, {} down", service.binary()),
            Self::Line(effect, times) => write!(f, "LINE: {effect:?}, {times} times"),
        }
    }
}

async fn start(platform: &mut Platform, service: Service) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    platform.start_service(service, &BTreeMap::new()).await?;
    Ok(begun.elapsed())
}
