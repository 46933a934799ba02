//! How webhook-ingest dies.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;

use crate::chaos::dice::Dice;
use crate::chaos::fault::{SPILL_PLACES, of_ingest};
use crate::platform::Platform;
use crate::service::Service;

/// How long a process may take to come to the place it is to die at; then it is killed from outside.
const REACHED_WITHIN: Duration = Duration::from_millis(2_500);
/// How long it is looked whether a process is ready, before it is looked whether it is gone, and how often.
const READY_LOOK: Duration = Duration::from_millis(500);
const GONE_LOOK: Duration = Duration::from_millis(50);
const READY_LOOKS: u32 = 100;
/// Where it can be killed from inside beside the way of a webhook: forwarding, and cutting out what was taken back.
const BESIDE: [&str; 3] = ["ingest.before_forward", "ingest.after_forward", "ingest.after_cut"];
/// Where a process seldom comes while there is traffic: commits take along what is to be marked.
const SELDOM: &str = "ingest.before_mark";

/// A way to die.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// By SIGKILL so long after its start, ready or not.
    Outside(Duration),
    /// By its own hand, at a place, at the nth pass.
    At(&'static str, u32),
    /// The same, while Postgres is away for so long.
    AtSpill(&'static str, Duration),
    /// By SIGKILL, while NATS is away for so long.
    WithoutNats(Duration),
}

/// Every place it is to die at.
pub(super) fn places() -> Vec<&'static str> {
    [of_ingest(), BESIDE.to_vec(), SPILL_PLACES.to_vec()].concat()
}

impl Way {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        match dice.number(0, 19) {
            0..=6 => Self::Outside(dice.duration(Duration::ZERO, Duration::from_millis(1_200))),
            7 => Self::AtSpill(
                dice.one::<&'static str>(&SPILL_PLACES),
                dice.duration(Duration::from_millis(300), Duration::from_millis(1_500)),
            ),
            8 => Self::WithoutNats(dice.duration(Duration::from_millis(300), Duration::from_millis(1_500))),
            // What is taken back is rare.
            9..=11 => Self::At(dice.one::<&'static str>(&BESIDE), 1),
            _ => {
                let place = *dice.one::<&'static str>(&of_ingest());
                Self::At(place, if place == SELDOM { 1 } else { dice.number(1, 12) })
            }
        }
    }

    /// Where it is to die.
    pub(super) fn place(self) -> Option<&'static str> {
        match self {
            Self::At(place, _) | Self::AtSpill(place, _) => Some(place),
            Self::Outside(_) | Self::WithoutNats(_) => None,
        }
    }

    /// As the table says it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Outside(_) => "SIGKILL".to_owned(),
            Self::At(place, _) => format!("SIGKILL at {place}"),
            Self::AtSpill(place, _) => format!("SIGKILL at {place}, Postgres away"),
            Self::WithoutNats(_) => "SIGKILL, NATS away".to_owned(),
        }
    }

    fn failpoints(self) -> BTreeMap<String, String> {
        let armed = match self {
            Self::At(place, pass) => format!("{place}=kill@{pass}"),
            Self::AtSpill(place, _) => format!("{place}=kill@1"),
            Self::Outside(_) | Self::WithoutNats(_) => return BTreeMap::new(),
        };
        BTreeMap::from([("TSUNAGI_FAILPOINTS".to_owned(), armed)])
    }

    /// Kills webhook-ingest, however it stands, in this way; tells whether it died where it was to.
    pub(super) async fn kill(self, platform: &mut Platform) -> anyhow::Result<bool> {
        let service = Service::WebhookIngest;
        platform.kill(service).await?;
        match self {
            Self::Outside(after) => {
                platform.launch_service(service, &self.failpoints())?;
                tokio::time::sleep(after).await;
                platform.kill(service).await.map(|()| true)
            }
            Self::At(..) => {
                platform.launch_service(service, &self.failpoints())?;
                died(platform).await
            }
            Self::AtSpill(_, away) => {
                platform.launch_service(service, &self.failpoints())?;
                if !ready(platform).await? {
                    // It found a pack that was left, and died of it.
                    return Ok(true);
                }
                let postgres = platform.postgres.as_mut().context("no Postgres of its own")?;
                postgres.kill9().await?;
                tokio::time::sleep(away).await;
                postgres.start_again().await?;
                died(platform).await
            }
            Self::WithoutNats(away) => {
                platform.start_service(service, &self.failpoints()).await?;
                platform.nats.as_mut().context("no NATS of its own")?.kill9().await?;
                tokio::time::sleep(away).await;
                platform.kill(service).await?;
                platform.nats.as_mut().context("no NATS of its own")?.start_again().await.map(|()| true)
            }
        }
    }
}

/// Waits until the process is ready, for it takes nothing before it has read the accounts; not if it has killed itself before.
async fn ready(platform: &mut Platform) -> anyhow::Result<bool> {
    let service = Service::WebhookIngest;
    for _ in 0..READY_LOOKS {
        if platform.ready(service, READY_LOOK).await.is_ok() {
            return Ok(true);
        }
        let process = platform.process(service).context("webhook-ingest was not started")?;
        if process.exit(GONE_LOOK).await.is_ok() {
            return Ok(false);
        }
    }
    anyhow::bail!("webhook-ingest is neither ready nor gone");
}

/// Whether the process has killed itself; it is gone in any case.
async fn died(platform: &mut Platform) -> anyhow::Result<bool> {
    let reached = match platform.process(Service::WebhookIngest) {
        Some(process) => process.exit(REACHED_WITHIN).await.is_ok(),
        None => false,
    };
    platform.kill(Service::WebhookIngest).await?;
    Ok(reached)
}
