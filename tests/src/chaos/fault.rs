//! What can go wrong in a run, and how it is made and mended.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use line_simulator::{Effect, Fault as LineFault};

use super::clocks::WrongClock;
use super::dice::Dice;
use crate::platform::Platform;
use crate::service::Service;

/// One thing that goes wrong under load.
#[derive(Clone, Debug)]
pub enum Fault {
    /// SIGKILL at whatever the service is doing just then.
    Kill(Service),
    /// SIGKILL to every instance of the service at once.
    KillEvery(Service),
    /// The service kills itself at a place in its code, at the nth pass.
    KillAt(Service, &'static str, u32),
    /// Postgres is killed (SIGKILL) and stays away for a while.
    PostgresAway(Duration),
    /// NATS is killed (SIGKILL) and stays away for a while.
    NatsAway(Duration),
    /// Every stream is deleted while everything runs.
    StreamsDeleted,
    /// Postgres is killed, every stream is deleted while it is away, what was spilled meanwhile with them, and it comes back.
    StreamsDeletedWhileSpilling(Duration),
    /// Every stream is deleted while the consuming service is down.
    StreamsDeletedWhileDown(Service),
    /// Postgres is killed and stays away for a while, and webhook-ingest, which spills meanwhile, kills itself at a place of that
    /// way, at the nth pass.
    KillAtSpill(&'static str, u32, Duration),
    /// LINE's API fails in one way, a few times.
    Line(Effect, u32),
    /// Clocks are wrong for a while.
    Clock(WrongClock),
}

/// Where the services can be killed from inside.
pub const PLACES: [(Service, &str); 37] = [
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
    (Service::MessagingOutbox, "messaging.before_content"),
    (Service::MessagingOutbox, "messaging.after_due"),
    (Service::MessagingOutbox, "messaging.before_digest"),
    (Service::MessagingOutbox, "messaging.after_digest"),
    (Service::MessagingOutbox, "messaging.after_reminders"),
    (Service::MessagingOutbox, "messaging.after_staff_notice"),
    (Service::MessagingOutbox, "bus.relay.after_publish"),
    (Service::MessagingOutbox, "bus.consumer.after_commit"),
    (Service::IdentityLinking, "bus.consumer.before_commit"),
    (Service::IdentityLinking, "bus.consumer.after_commit"),
    (Service::IdentityLinking, "identity.before_event"),
    (Service::IdentityLinking, "identity.after_event"),
    (Service::IdentityLinking, "identity.after_commit"),
    (Service::IdentityLinking, "identity.link.before_line"),
    (Service::IdentityLinking, "identity.link.after_line"),
    (Service::IdentityLinking, "identity.link.placed"),
    (Service::IdentityLinking, "identity.link.confirmed"),
    (Service::IdentityLinking, "identity.link.decided"),
    (Service::Scheduler, "scheduler.after_take"),
    (Service::Scheduler, "scheduler.before_commit"),
    (Service::Scheduler, "scheduler.after_commit"),
    (Service::Scheduler, "scheduler.before_digest"),
    (Service::Scheduler, "scheduler.after_digest"),
    (Service::Scheduler, "bus.relay.after_publish"),
];

/// How long an armed service may take to its place, its start included.
const REACHED_WITHIN: Duration = Duration::from_secs(8);

/// How long Postgres is away in one of eight such runs.
pub(super) const LONG: Duration = Duration::from_mins(1);

/// Where webhook-ingest can be killed from inside.
pub(super) fn of_ingest() -> Vec<&'static str> {
    PLACES.iter().filter(|(service, _)| *service == Service::WebhookIngest).map(|(_, place)| *place).collect()
}

/// Where webhook-ingest can be killed from inside on the way that bodies take while Postgres is away.
pub const SPILL_PLACES: [&str; 3] = ["ingest.after_spill", "ingest.before_move", "ingest.after_move"];

/// How LINE's API fails: each leaves its caller with something else to find out.
const EFFECTS: [Effect; 9] = [
    Effect::RateLimited,
    Effect::MonthlyLimit,
    Effect::UserFlood,
    Effect::ServerError,
    Effect::CutBefore,
    Effect::AcceptedAnswerLost,
    Effect::AcceptedThenServerError,
    // Shorter and longer than a call may take, by the dice.
    Effect::Hang { ms: 0 },
    Effect::AcceptedThenHang { ms: 0 },
];

/// What striking a fault came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Struck {
    /// How long the killed service took from its new start until it was ready.
    pub(super) ready_again: Option<Duration>,
    /// Whether the service killed itself at its place; none where no place was meant.
    pub(super) reached: Option<bool>,
}

impl Struck {
    fn ready(ready_again: Duration) -> Self {
        Self { ready_again: Some(ready_again), reached: None }
    }
}

/// Services killed from outside.
const KILLED: [Service; 4] =
    [Service::WebhookIngest, Service::MessagingOutbox, Service::IdentityLinking, Service::Scheduler];

impl Fault {
    /// Draws a fault.
    pub fn draw(dice: &mut Dice) -> Self {
        match dice.number(0, 17) {
            0..=2 => Self::Kill(*dice.one(&KILLED)),
            17 => Self::KillEvery(Service::Scheduler),
            3..=6 => {
                let (service, place) = *dice.one(&PLACES);
                Self::KillAt(service, place, dice.number(1, passes(service, place)))
            }
            7 if dice.number(0, 7) == 0 => Self::PostgresAway(LONG),
            7 => Self::PostgresAway(dice.duration(Duration::from_millis(100), Duration::from_secs(3))),
            8 => Self::NatsAway(dice.duration(Duration::from_millis(100), Duration::from_secs(3))),
            9 if dice.number(0, 2) == 0 => {
                Self::StreamsDeletedWhileSpilling(dice.duration(Duration::from_secs(1), Duration::from_secs(4)))
            }
            9 => Self::StreamsDeleted,
            10 => Self::StreamsDeletedWhileDown(*dice.one(&KILLED[1..])),
            11 => {
                let away = dice.duration(Duration::from_secs(2), Duration::from_secs(4));
                Self::KillAtSpill(dice.one::<&'static str>(&SPILL_PLACES), 1, away)
            }
            15 | 16 => Self::Clock(WrongClock::draw(dice)),
            _ => match dice.one(&EFFECTS) {
                Effect::Hang { .. } => Self::Line(Effect::Hang { ms: hang(dice) }, dice.number(1, 3)),
                Effect::AcceptedThenHang { .. } => {
                    Self::Line(Effect::AcceptedThenHang { ms: hang(dice) }, dice.number(1, 3))
                }
                effect => Self::Line(effect.clone(), dice.number(1, 8)),
            },
        }
    }

    /// Makes the fault, and mends it.
    pub(super) async fn strike(&self, platform: &mut Platform, dice: &mut Dice) -> anyhow::Result<Struck> {
        match self {
            Self::Kill(service) => {
                platform.kill(*service).await?;
                start(platform, *service).await.map(Struck::ready)
            }
            Self::KillEvery(service) => {
                platform.kill_every(*service).await?;
                let begun = Instant::now();
                platform.start_every(*service).await?;
                Ok(Struck::ready(begun.elapsed()))
            }
            Self::KillAt(service, place, pass) => {
                platform.kill(*service).await?;
                platform.launch_service(*service, &armed(place, *pass))?;
                killed_at(platform, *service, REACHED_WITHIN).await
            }
            Self::KillAtSpill(place, pass, away) => {
                let service = Service::WebhookIngest;
                platform.kill(service).await?;
                // Ready, for it takes nothing before it has read the accounts.
                platform.start_service(service, &armed(place, *pass)).await?;
                away_for(platform, *away).await?;
                killed_at(platform, service, REACHED_WITHIN).await
            }
            Self::PostgresAway(away) => {
                away_for(platform, *away).await?;
                Ok(Struck::default())
            }
            Self::NatsAway(away) => {
                let nats = platform.nats.as_mut().context("no NATS of its own")?;
                nats.kill9().await?;
                tokio::time::sleep(*away).await;
                nats.start_again().await?;
                Ok(Struck::default())
            }
            Self::StreamsDeleted => platform.delete_streams().await.map(|()| Struck::default()),
            Self::StreamsDeletedWhileSpilling(away) => {
                let postgres = platform.postgres.as_mut().context("no Postgres of its own")?;
                postgres.kill9().await?;
                tokio::time::sleep(*away).await;
                platform.delete_streams().await?;
                platform.postgres.as_mut().context("no Postgres of its own")?.start_again().await?;
                Ok(Struck::default())
            }
            Self::StreamsDeletedWhileDown(service) => {
                platform.kill_every(*service).await?;
                tokio::time::sleep(dice.duration(Duration::from_millis(100), Duration::from_secs(1))).await;
                platform.delete_streams().await?;
                let begun = Instant::now();
                platform.start_every(*service).await?;
                Ok(Struck::ready(begun.elapsed()))
            }
            Self::Line(effect, times) => {
                let mut fault = LineFault::times(effect.clone(), *times);
                // Only who sends can be told that too much was sent.
                if matches!(effect, Effect::MonthlyLimit | Effect::UserFlood) {
                    fault.endpoint = Some("POST /v2/bot/message/push".to_owned());
                }
                platform.line().add_fault(&fault).await?;
                Ok(Struck::default())
            }
            Self::Clock(wrong) => wrong.strike(platform).await.map(|()| Struck::default()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(service) => write!(f, "SIGKILL {}", service.binary()),
            Self::KillEvery(service) => write!(f, "SIGKILL every {}", service.binary()),
            Self::KillAt(service, place, pass) => write!(f, "SIGKILL {} at {place}, pass {pass}", service.binary()),
            Self::PostgresAway(away) => write!(f, "Postgres killed, away {} ms", away.as_millis()),
            Self::NatsAway(away) => write!(f, "NATS killed, away {} ms", away.as_millis()),
            Self::StreamsDeleted => f.write_str("every stream deleted"),
            Self::StreamsDeletedWhileSpilling(away) => {
                write!(f, "every stream deleted, Postgres away {} ms", away.as_millis())
            }
            Self::StreamsDeletedWhileDown(service) => write!(f, "every stream deleted, {} down", service.binary()),
            Self::KillAtSpill(place, pass, away) => {
                write!(f, "SIGKILL webhook-ingest at {place}, pass {pass}, Postgres away {} ms", away.as_millis())
            }
            Self::Line(effect, times) => write!(f, "LINE: {effect:?}, {times} times"),
            Self::Clock(wrong) => wrong.fmt(f),
        }
    }
}

/// How often a place is passed in a run for sure. Of those who link, some do it before and some after; of the timers, the other replicas
/// take some; slots are few, and reminders come together.
fn passes(service: Service, place: &str) -> u32 {
    if place.ends_with("_digest") {
        return 1;
    }
    let is_rare = place.starts_with("identity.link.") || place.ends_with("_reminders") || service == Service::Scheduler;
    if is_rare { 2 } else { 6 }
}

/// How long LINE says nothing, in milliseconds.
fn hang(dice: &mut Dice) -> u64 {
    u64::from(dice.number(200, 4_500))
}

fn armed(place: &str, pass: u32) -> BTreeMap<String, String> {
    BTreeMap::from([("TSUNAGI_FAILPOINTS".to_owned(), format!("{place}=kill@{pass}"))])
}

async fn away_for(platform: &mut Platform, away: Duration) -> anyhow::Result<()> {
    let postgres = platform.postgres.as_mut().context("no Postgres of its own")?;
    postgres.kill9().await?;
    tokio::time::sleep(away).await;
    postgres.start_again().await?;
    Ok(())
}

/// Waits until an armed service has killed itself, and starts it anew. Its place may not be reached any more once the traffic is
/// over; then it is killed from outside.
async fn killed_at(platform: &mut Platform, service: Service, within: Duration) -> anyhow::Result<Struck> {
    let reached = match platform.process(service) {
        Some(process) => process.exit(within).await.is_ok(),
        None => false,
    };
    platform.kill(service).await?;
    Ok(Struck { reached: Some(reached), ready_again: Some(start(platform, service).await?) })
}

async fn start(platform: &mut Platform, service: Service) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    platform.start_service(service, &BTreeMap::new()).await?;
    Ok(begun.elapsed())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_way_to_fail_is_drawn() {
        let drawn: Vec<Fault> = (0..2_000).map(|seed| Fault::draw(&mut Dice::new(seed))).collect();
        for (service, place) in PLACES {
            let meant = |fault: &Fault| matches!(fault, Fault::KillAt(s, p, _) if (*s, *p) == (service, place));
            assert!(drawn.iter().any(meant), "{place}");
        }
        for place in SPILL_PLACES {
            assert!(drawn.iter().any(|fault| matches!(fault, Fault::KillAtSpill(p, ..) if *p == place)), "{place}");
        }
        assert!(drawn.iter().any(|fault| matches!(fault, Fault::StreamsDeletedWhileSpilling(_))));
        assert!(drawn.iter().any(|fault| matches!(fault, Fault::PostgresAway(LONG))), "a minute without Postgres");
        let jumps = |fault: &Fault| match fault {
            Fault::Clock(WrongClock::Jump { whose, by, .. }) => {
                Some((whose.is_some(), by.num_hours() > 0, by.num_hours() < 0))
            }
            _ => None,
        };
        let jumps: BTreeSet<_> = drawn.iter().filter_map(jumps).collect();
        assert_eq!(jumps.len(), 6, "one clock and all, minutes, hours ahead, hours behind");
        for service in [Service::IdentityLinking, Service::Scheduler] {
            let apart =
                |fault: &Fault| matches!(fault, Fault::Clock(WrongClock::Apart { whose, .. }) if *whose == service);
            assert!(drawn.iter().any(apart), "{service:?}");
            let jumps = |fault: &Fault| matches!(fault, Fault::Clock(WrongClock::Jump { whose, .. }) if *whose == Some(service));
            assert!(drawn.iter().any(jumps), "{service:?}");
        }
        assert!(drawn.iter().any(|fault| matches!(fault, Fault::KillEvery(Service::Scheduler))));
    }
}
