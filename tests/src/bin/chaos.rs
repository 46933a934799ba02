//! `make chaos`: kill runs for a given count or time. RUNS, MINUTES and SEED choose how many, how long and which; INGEST_KILLS how
//! often webhook-ingest alone is killed before, FULL_DISKS how often the disk of all servers is full, which must be a volume of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tests::chaos::{IngestPlan, Plan, Report, play, play_full_disk, play_ingest};

/// So many kills of webhook-ingest come to every place.
const ENOUGH: u32 = 500;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
async fn main() -> anyhow::Result<()> {
    let seed = number("SEED", 1)?;
    let (folder, within) = (Path::new("target/chaos"), Duration::from_secs(60 * number("MINUTES", 60)?));
    let kills = u32::try_from(number("INGEST_KILLS", 0)?)?;
    if kills > 0 {
        let report = Box::pin(play_ingest(IngestPlan { kills, seed, within }, folder)).await?;
        println!("\n{}", report.table());
        ensure!(report.kills == kills, "the time was over after {} kills", report.kills);
        ensure!(kills < ENOUGH || report.unreached().is_empty(), "never killed at {:?}", report.unreached());
    }
    let rounds = u32::try_from(number("FULL_DISKS", 0)?)?;
    if rounds > 0 {
        println!("{rounds} full disks: {:?}", Box::pin(play_full_disk(rounds, seed)).await?);
    }
    let plan = Plan { seeds: (seed..seed.saturating_add(number("RUNS", 100)?)).collect(), within };
    if plan.seeds.is_empty() {
        return Ok(());
    }
    let report = Box::pin(play(plan, Report::open(folder, seed)?)).await?;
    println!("\n{}", report.table());
    match report.unsound() {
        None => Ok(()),
        Some(run) => anyhow::bail!("run {} was not sound: {}", run.seed, run.problem.as_deref().unwrap_or_default()),
    }
}

fn number(name: &str, otherwise: u64) -> anyhow::Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is not a number")),
        Err(_) => Ok(otherwise),
    }
}
