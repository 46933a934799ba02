//! `make chaos`: kill runs for a given count or time. RUNS, MINUTES and SEED choose how many, how long and which.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tests::chaos::{Plan, Report, play};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
async fn main() -> anyhow::Result<()> {
    let seed = number("SEED", 1)?;
    let plan = Plan {
        seeds: (seed..seed.saturating_add(number("RUNS", 100)?)).collect(),
        within: Duration::from_secs(60 * number("MINUTES", 60)?),
    };
    let report = Box::pin(play(plan, Report::open(Path::new("target/chaos"), seed)?)).await?;
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
