//! Kill runs of webhook-ingest alone: it dies again and again under traffic, and every so often all that LINE sent must be where it
//! belongs, once. A kill takes a second here, where a run of all services takes ten, so that a thousand are seen in one go.

mod books;
mod found;
mod full_disk;
mod neighbour;
mod scene;
mod verdict;
mod way;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

pub use self::full_disk::play_full_disk;
use self::neighbour::Neighbour;
use self::scene::Scene;
use self::way::Way;
use super::dice::Dice;
use crate::platform::{Options, Platform};
use crate::service::Service;

/// Kills between two looks at what became of it all.
const KILLS_A_LOOK: u32 = 20;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct IngestPlan {
    /// How often webhook-ingest is killed.
    pub kills: u32,
    /// Chooses the same ways to die again.
    pub seed: u64,
    /// None is killed after this.
    pub within: Duration,
}

/// What the kills came to.
#[derive(Clone, Debug, Default)]
pub struct IngestReport {
    /// Each way to die, and how often; with places, how often they were reached and how often not.
    pub ways: BTreeMap<String, (u32, u32)>,
    /// How often each place to die at was reached.
    pub places: BTreeMap<&'static str, u32>,
    /// How often webhook-ingest was killed.
    pub kills: u32,
    /// What friends wrote.
    pub written: u64,
    /// How often everything was looked at, and was where it belongs.
    pub looks: u32,
    /// The longest it took until everything was where it belongs.
    pub slowest_settled: Duration,
}

/// Plays `plan` on a platform of its own.
///
/// # Errors
/// When something is lost, or comes twice, or does not settle.
pub async fn play_ingest(plan: IngestPlan, folder: &Path) -> anyhow::Result<IngestReport> {
    let begun = Instant::now();
    let neighbour = Neighbour::start().await?;
    let settings = neighbour::settings(&neighbour);
    let logs = folder.join(format!("ingest-from-seed-{}-logs", plan.seed));
    // Those of the run before with this seed say nothing about this one.
    let _ = std::fs::remove_dir_all(&logs);
    std::fs::create_dir_all(&logs)?;
    let options = Options { private_servers: true, settings, logs: Some(logs), ..Options::default() };
    let mut platform = Platform::start(options).await?;
    let scene = Scene::set(&platform.stage(), neighbour).await?;
    let mut dice = Dice::new(plan.seed);
    let mut report =
        IngestReport { places: way::places().into_iter().map(|place| (place, 0)).collect(), ..IngestReport::default() };
    while report.kills < plan.kills && begun.elapsed() < plan.within {
        let stopping = AtomicBool::new(false);
        let stage = platform.stage();
        let struck = async {
            let least = report.kills.saturating_add(KILLS_A_LOOK).min(plan.kills);
            while report.kills < least {
                let way = Way::draw(&mut dice);
                let reached = way.kill(&mut platform).await.with_context(|| format!("{way:?}"))?;
                report.enter(way, reached);
            }
            stopping.store(true, Ordering::Relaxed);
            platform.start_service(Service::WebhookIngest, &BTreeMap::new()).await
        };
        tokio::try_join!(struck, scene.write(&stage, &stopping))?;
        let mended = Instant::now();
        scene.settled(&platform).await?;
        report.looks += 1;
        report.slowest_settled = report.slowest_settled.max(mended.elapsed());
        report.written = scene.written();
        tell(&report, begun);
    }
    platform.kill(Service::WebhookIngest).await?;
    scene.let_go(&platform).await?;
    platform.start_service(Service::WebhookIngest, &BTreeMap::new()).await?;
    scene.ended(&platform).await?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join(format!("ingest-from-seed-{}.md", plan.seed)), report.table())?;
    Ok(report)
}

#[expect(clippy::print_stdout, reason = "whoever waits for the kills wants to see them pass")]
fn tell(report: &IngestReport, begun: Instant) {
    println!(
        "{:>5} kills, {:>6} messages, all once where they belong; slowest {:.1} s; {:.0} s so far",
        report.kills,
        report.written,
        report.slowest_settled.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
}

impl IngestReport {
    fn enter(&mut self, way: Way, reached: bool) {
        self.kills += 1;
        let (there, elsewhere) = self.ways.entry(way.name()).or_default();
        *(if reached { there } else { elsewhere }) += 1;
        if let Some(times) = way.place().filter(|_| reached).and_then(|place| self.places.get_mut(place)) {
            *times += 1;
        }
    }

    /// The places to die at where it never did.
    #[must_use]
    pub fn unreached(&self) -> Vec<&'static str> {
        self.places.iter().filter(|(_, times)| **times == 0).map(|(place, _)| *place).collect()
    }

    /// A table: each way to die, and how often.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!(
            "{} kills of webhook-ingest, {} messages of friends, {} looks, slowest settled {:.1} s\n\n| way | times | killed elsewhere, for it was not reached in time |\n| --- | --- | --- |\n",
            self.kills,
            self.written,
            self.looks,
            self.slowest_settled.as_secs_f64()
        );
        for (way, (there, elsewhere)) in &self.ways {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| {way} | {there} | {elsewhere} |");
        }
        table
    }
}
