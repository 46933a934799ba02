//! `--scenario`: playing a file, with a line for each step.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::net::TcpStream;
use url::Url;

use super::{Arguments, say, to_try};
use crate::scenario::{Progress, Scenario, Speed, State};
use crate::simulator::Simulator;

/// How long whoever gets the webhooks may take to start.
const STARTING: Duration = Duration::from_secs(30);

/// Reads a scenario; a fault is told as `FILE: line 3: …`.
pub(super) fn read(file: &Path) -> anyhow::Result<Scenario> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    Scenario::read(&text).map_err(|fault| {
        let lines: Vec<String> = fault.faults.iter().map(|one| format!("{}: {one}", file.display())).collect();
        anyhow::anyhow!(lines.join("\n"))
    })
}

/// Plays it; true when it passed.
pub(super) async fn run(simulator: &Simulator, scenario: Scenario, arguments: &Arguments) -> anyhow::Result<bool> {
    if let Some(url) = &arguments.webhook {
        wait_for(url).await?;
    }
    let speed = arguments.speed.unwrap_or(Speed::Times(1));
    let (following, mut hearing) = simulator.play(scenario, speed, arguments.webhook.clone())?;
    let cast = following.borrow().cast.clone();
    say(&to_try::cast(&cast))?;
    while let Some(line) = hearing.recv().await {
        say(&line)?;
    }
    let progress = following.borrow().clone();
    say(&verdict(&progress))?;
    if arguments.stay {
        say(&to_try::lines(simulator.base_url(), &cast))?;
    }
    Ok(progress.state == State::Passed)
}

fn verdict(progress: &Progress) -> String {
    match progress.state {
        State::Passed => format!("passed: {} steps", progress.steps),
        _ => format!("FAILED: {} of {} steps", progress.failures.len(), progress.steps),
    }
}

/// Waits until somebody listens at the address, half a minute at most.
pub(super) async fn wait_for(url: &str) -> anyhow::Result<()> {
    let parsed = Url::parse(url).with_context(|| format!("{url} is no address"))?;
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        bail!("{url} names no host");
    };
    let knocking = async {
        while TcpStream::connect((host.trim_matches(['[', ']']), port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(STARTING, knocking).await.map_err(|_| anyhow::anyhow!("nobody listens at {url}"))
}
