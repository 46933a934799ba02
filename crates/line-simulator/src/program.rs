//! The `line-simulator` program: one simulator until a signal ends it, a scenario until it is over, or a recording sent again.

mod play;
mod replaying;
mod to_try;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::scenario::Speed;
use crate::simulator::{Options, Simulator};
use crate::state::books::Detail;

/// A stand-in for the LINE Platform, on loopback.
#[derive(Clone, Debug, Parser)]
#[command(name = "line-simulator", version)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
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
    /// Play this scenario and leave: 0 when every expectation was met, 1 otherwise.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// After the scenario stay, until a signal comes.
    #[arg(long, requires = "scenario")]
    pub stay: bool,
    /// Write every webhook delivery down in this file, also where no webhook URL is set.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Send the deliveries of this recording to the webhook URL and leave: 0 when each was answered with 2xx, 1 otherwise.
    #[arg(long, value_name = "FILE", requires = "webhook", conflicts_with_all = ["scenario", "record"])]
    pub replay: Option<PathBuf>,
    /// How fast: so many times as fast as time goes, or `max`. A scenario goes at 1, a recording at `max`.
    #[arg(long)]
    pub speed: Option<Speed>,
    /// Where webhooks go, whatever the scenario says. Waits half a minute for somebody to listen there.
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// Replay in any order, drawn from this seed.
    #[arg(long, value_name = "SEED", requires = "replay")]
    pub shuffle: Option<u64>,
    /// Replay each delivery a second time with this chance, 0 to 1.
    #[arg(long, value_name = "P", requires = "replay", default_value_t = 0.0, value_parser = chance)]
    pub duplicate: f64,
    /// Replay the recorded signatures instead of signing anew.
    #[arg(long, requires = "replay", conflicts_with_all = ["today", "secret"])]
    pub keep_signatures: bool,
    /// Replay as if the recording began now: times in the events and in their IDs move along.
    #[arg(long, requires = "replay")]
    pub today: bool,
    /// Replay signed with this channel secret, for the bot of `--destination`.
    #[arg(long, requires = "destination", requires = "replay")]
    pub secret: Option<String>,
    /// Replay for the bot of this user ID.
    #[arg(long, requires = "secret")]
    pub destination: Option<String>,
}

fn chance(text: &str) -> Result<f64, String> {
    let chance = text.parse().ok().filter(|chance| (0.0..=1.0).contains(chance));
    chance.ok_or_else(|| "a chance is a number from 0 to 1".to_owned())
}

/// Prints the base URL as the first line of standard output and runs until the scenario is over or SIGINT or SIGTERM comes; or
/// replays a recording.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    use tokio::signal::unix::{SignalKind, signal};

    if let Some(file) = &arguments.replay {
        return replaying::run(&arguments, file).await;
    }
    let scenario = arguments.scenario.as_deref().map(play::read).transpose()?;
    let of_file = scenario.as_ref().and_then(|scenario| scenario.seed);
    let usual = Options::default();
    let options = Options {
        port: arguments.port,
        seed: arguments.seed.or(of_file).unwrap_or(usual.seed),
        detail: if arguments.counts_only { Detail::Counts } else { Detail::Full },
        record: arguments.record.clone(),
    };
    let mut interrupted = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let simulator = Simulator::start(options).await?;
    say(simulator.base_url())?;
    let work = async {
        let Some(scenario) = scenario else { return std::future::pending::<anyhow::Result<bool>>().await };
        let passed = play::run(&simulator, scenario, &arguments).await?;
        if arguments.stay { std::future::pending().await } else { Ok(passed) }
    };
    let passed = tokio::select! {
        passed = work => passed?,
        _ = interrupted.recv() => true,
        _ = terminated.recv() => true,
    };
    simulator.stop().await.context("write the recording")?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a line.
fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("print")
}
