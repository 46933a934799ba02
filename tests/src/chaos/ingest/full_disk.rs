//! Disks that are really full: Postgres and NATS share a volume, somebody else fills it under traffic, and makes room again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use line_simulator::BooksQuery;

use super::neighbour::{Neighbour, settings};
use super::scene::Scene;
use crate::chaos::dice::Dice;
use crate::platform::{Options, Platform};

/// The volume is smaller than this, or it is none of its own.
const LARGEST: usize = 2 << 30;
/// How much of the volume is written at once.
const STEP: usize = 1 << 18;

/// Somebody else's file on the volume. It goes when dropped.
struct Ballast(PathBuf);

impl Ballast {
    /// Fills the volume but for `left` bytes.
    fn fill(volume: &Path, left: u64) -> anyhow::Result<Self> {
        let ballast = Self(volume.join("ballast"));
        let mut file = File::create(&ballast.0)?;
        let (mut written, step) = (0, vec![0; STEP]);
        while file.write_all(&step).is_ok() {
            written += STEP;
            ensure!(
                written < LARGEST,
                "TSUNAGI_TEST_DIR is no small volume of its own: mount one, as tests/chaos/run does"
            );
        }
        file.set_len(file.metadata()?.len().saturating_sub(left))?;
        Ok(ballast)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // Whoever wants the room gets it with the volume, at the latest.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Fills the disk `rounds` times under traffic and makes room again; how often webhooks were answered with each status, or how they
/// failed, as LINE saw it.
///
/// # Errors
/// When something that was acknowledged is lost, or comes twice, or it does not go on by itself once there is room.
pub async fn play_full_disk(rounds: u32, seed: u64) -> anyhow::Result<BTreeMap<String, u32>> {
    let volume = std::env::var_os("TSUNAGI_TEST_DIR").map(PathBuf::from).context("TSUNAGI_TEST_DIR names no volume")?;
    let neighbour = Neighbour::start().await?;
    let settings = settings(&neighbour);
    let mut platform = Platform::start(Options { private_servers: true, settings, ..Options::default() }).await?;
    let scene = Scene::set(&platform.stage(), neighbour).await?;
    let mut dice = Dice::new(seed);
    for _ in 0..rounds {
        let stopping = AtomicBool::new(false);
        let stage = platform.stage();
        let struck = async {
            tokio::time::sleep(dice.duration(Duration::from_secs(1), Duration::from_secs(2))).await;
            let ballast = Ballast::fill(&volume, u64::from(dice.number(0, 512)) << 10)?;
            tokio::time::sleep(dice.duration(Duration::from_secs(4), Duration::from_secs(12))).await;
            drop(ballast);
            servers_again(&mut platform).await?;
            stopping.store(true, Ordering::Relaxed);
            anyhow::Ok(())
        };
        tokio::try_join!(struck, scene.write(&stage, &stopping))?;
        scene.settled(&platform).await?;
    }
    scene.ended(&platform).await?;
    let query = BooksQuery { account: Some(scene.shop.card.channel_id.clone()), ..BooksQuery::default() };
    let mut answers: BTreeMap<String, u32> = BTreeMap::new();
    for attempt in platform.line().webhooks(&query).await?.into_iter().flat_map(|webhook| webhook.attempts) {
        let answer = attempt.status.map_or(attempt.reason, |status| status.to_string());
        *answers.entry(answer).or_default() += 1;
    }
    if !answers.contains_key("503") {
        bail!("nothing was refused, so the disk was never full: {answers:?}");
    }
    Ok(answers)
}

/// A server that a full disk ended is started again, as whoever runs it does.
async fn servers_again(platform: &mut Platform) -> anyhow::Result<()> {
    let postgres = platform.postgres.as_mut().context("no Postgres of its own")?;
    postgres.kill9().await?;
    postgres.start_again().await?;
    let nats = platform.nats.as_mut().context("no NATS of its own")?;
    nats.kill9().await?;
    nats.start_again().await
}
