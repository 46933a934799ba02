//! The `line-simulator` program: one simulator, until a signal ends it.

use anyhow::Context as _;
use clap::Parser;

use crate::simulator::{Options, Simulator};
use crate::state::books::Detail;

/// A stand-in for the LINE Platform, on loopback.
#[derive(Clone, Debug, Parser)]
#[command(name = "line-simulator", version)]
pub struct Arguments {
    /// Loopback port; 0 takes a free one and prints it.
    #[arg(long, env = "LINE_SIMULATOR_PORT", default_value_t = 0)]
    pub port: u16,
    /// Makes IDs, tokens and dice repeatable.
    #[arg(long, env = "LINE_SIMULATOR_SEED")]
    pub seed: Option<u64>,
    /// Keep counters only, not every message. For benchmarks.
    #[arg(long, env = "LINE_SIMULATOR_COUNTS_ONLY")]
    pub counts_only: bool,
}

/// Starts, prints the base URL as the first line of standard output, and runs until SIGINT or SIGTERM.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    use std::io::Write as _;
    use tokio::signal::unix::{SignalKind, signal};

    let mut options = Options { port: arguments.port, ..Options::default() };
    options.seed = arguments.seed.unwrap_or(options.seed);
    options.detail = if arguments.counts_only { Detail::Counts } else { Detail::Full };
    let mut interrupted = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let simulator = Simulator::start(options).await?;
    writeln!(std::io::stdout(), "{}", simulator.base_url()).context("say where it listens")?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}
