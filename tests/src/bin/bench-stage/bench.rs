//! The platform, its first shop, and the answers to commands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use line_simulator::{Control, Detail};
use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tests::{Options, Platform, Service};
use tsunagi::stage::{Shop, Stage};

use crate::ask::Ask;
use crate::decisions::{self, Decisions};
use crate::lanes::Lanes;
use crate::schedule::Schedule;
use crate::{floor, live, store};

/// The services a benchmark starts.
const SERVICES: [Service; 4] = Service::ALL;
/// How often the simulator's books are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The running platform.
pub(crate) struct Bench {
    platform: Platform,
    stage: Stage,
    shop: Shop,
    admin: PgPool,
    lanes: Option<Lanes>,
    decisions: Decisions,
    schedule: Option<Schedule>,
}

impl Bench {
    /// Starts everything and opens a shop.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let logs = std::env::var_os("BENCH_LOGS").map(PathBuf::from);
        let options = Options { services: SERVICES.to_vec(), logs, ..Options::default() };
        let platform = Platform::start(options).await?;
        let stage = platform.stage();
        // A benchmark sends more than anybody wants to read: the simulator keeps counts only.
        stage.line.reset_books(Detail::Counts).await?;
        let shop = Shop::open(&stage, "さくら美容室", "佐藤 美咲").await?;
        let admin = PgPoolOptions::new().max_connections(4).connect(&platform.admin_url()).await?;
        Ok(Self { platform, stage, shop, admin, lanes: None, decisions: Decisions::default(), schedule: None })
    }

    /// Where everything is.
    pub(crate) fn told(&mut self) -> anyhow::Result<Value> {
        let webhook = self.stage.webhook_url(&self.shop.webhook_key);
        let mut told = json!({
            "webhook_url": webhook,
            "channel_secret": self.shop.card.channel_secret,
            "bot_user_id": self.shop.card.bot_user_id,
            "database_url": self.platform.admin_url(),
            "nats_prefix": self.platform.setting("TSUNAGI_NATS_PREFIX").context("no prefix")?,
            "line_url": self.platform.simulator().base_url(),
        });
        let mut processes = BTreeMap::new();
        for service in SERVICES {
            processes.insert(service.binary(), self.pid(service)?);
        }
        told["processes"] = json!(processes);
        Ok(told)
    }

    /// Does what is asked.
    pub(crate) async fn answer(&mut self, ask: Ask) -> anyhow::Result<Value> {
        Ok(match ask {
            Ask::Start { service } => {
                let service = Service::from(service);
                let begun = Instant::now();
                self.platform.start_service(service, &BTreeMap::new()).await?;
                json!({ "process": self.pid(service)?, "seconds": begun.elapsed().as_secs_f64() })
            }
            Ask::Stop { service } => {
                self.platform.stop(service.into()).await?;
                json!({})
            }
            Ask::Friends { count } => {
                let friends = self.stage.line.add_friends(&self.shop.card.channel_id, count, true).await?;
                json!({ "user_ids": friends.into_iter().map(|friend| friend.user_id).collect::<Vec<_>>() })
            }
            Ask::Lanes { tenants, accounts, friends } => {
                let lanes = Lanes::open(&self.stage, tenants, accounts, friends).await?;
                let told = lanes.told();
                self.lanes = Some(lanes);
                told
            }
            Ask::Enqueue => self.lanes.as_ref().context("no lanes are open")?.enqueue(&self.stage).await?,
            Ask::Accepted { count, within_seconds } => {
                accepted(&self.stage.line, count, Duration::from_secs(within_seconds)).await?
            }
            Ask::Books => {
                self.stage.line.reset_books(Detail::Counts).await?;
                json!({})
            }
            Ask::Watch { per_second, seconds, friends } => {
                live::measure(&self.stage, &self.shop, &live::Rate { per_second, seconds, friends }).await?
            }
            Ask::Customers { count } => self.decisions.grow(&self.admin, &self.shop, count).await?,
            Ask::Held { count, customer, stride } => {
                self.decisions.hold(&self.admin, &self.shop, (count, customer, stride)).await?
            }
            Ask::Reconsider { first, count, callers } => {
                decisions::reconsider(&self.stage, &self.shop, (first, count, callers)).await?
            }
            Ask::Listen { tenants } => {
                if self.schedule.is_none() {
                    self.schedule = Some(Schedule::start(&self.platform, tenants).await?);
                }
                json!({})
            }
            Ask::Timers { count, ahead_seconds } => {
                self.schedule()?.instant(&self.stage, count, Duration::try_from_secs_f64(ahead_seconds)?).await?
            }
            Ask::Heard { count, within_seconds } => {
                self.schedule()?.heard(count, Duration::from_secs(within_seconds)).await?
            }
            Ask::Pace { per_second, seconds } => self.schedule()?.pace(&self.stage, per_second, seconds).await?,
            Ask::Others { from, to } => self.schedule()?.others(&self.admin, from, to).await?,
            Ask::Floor { count } => floor::measure(&self.admin, count).await?,
            Ask::Query { sql } => json!({ "rows": store::ask(&self.admin, sql).await? }),
            Ask::Quit => json!({}),
        })
    }

    fn schedule(&self) -> anyhow::Result<&Schedule> {
        self.schedule.as_ref().context("nobody listens")
    }

    fn pid(&mut self, service: Service) -> anyhow::Result<u32> {
        Ok(self.platform.process(service).context("the service is not running")?.pid())
    }
}

/// Waits until the books show `count` accepted sends; tells how many there are and the other answers LINE gave.
async fn accepted(line: &Control, count: u64, within: Duration) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let counts = line.counts().await?;
        let accepted: u64 = counts.accepted.values().sum();
        if accepted >= count || begun.elapsed() > within {
            let (seconds, duplicates) = (begun.elapsed().as_secs_f64(), counts.duplicates);
            let answers: BTreeMap<u16, u64> = counts.answers.into_iter().collect();
            return Ok(json!({
                "accepted": accepted, "seconds": seconds, "duplicates": duplicates, "answers": answers,
            }));
        }
    }
}
