//! `--replay`: sending a recording again.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use kernel::{Clock as _, SystemClock};

use super::play::wait_for;
use super::{Arguments, say};
use crate::recording::{Recording, Replay, Target, replay};
use crate::scenario::Speed;
use crate::state::id::UserId;

/// Sends the recording as the arguments wish.
pub(super) async fn run(arguments: &Arguments, file: &Path) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let mut recording = Recording::read(&text).with_context(|| file.display().to_string())?;
    if arguments.today {
        recording = recording.beginning(SystemClock.now());
    }
    if let (Some(destination), Some(secret)) = (&arguments.destination, &arguments.secret) {
        recording = recording.addressed_to(&UserId::from(destination.as_str()), secret);
    }
    let url = arguments.webhook.clone().context("--webhook says where to")?;
    wait_for(&url).await?;
    let speed = match arguments.speed {
        Some(Speed::Times(times)) => Some(times),
        Some(Speed::Max) | None => None,
    };
    let wishes = Replay {
        speed,
        shuffle: arguments.shuffle.is_some(),
        duplicate: arguments.duplicate,
        seed: arguments.shuffle.or(arguments.seed).unwrap_or(0),
    };
    let target = Target { url, keep_signatures: arguments.keep_signatures };
    let outcome = replay(&recording, &wishes, &target).await?;
    say(&format!("sent {}, answered with 2xx {}", outcome.sent, outcome.accepted))?;
    for (why, count) in &outcome.refused {
        say(&format!("{count} × {why}"))?;
    }
    Ok(if outcome.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
