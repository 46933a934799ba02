//! Kill runs: traffic runs, something dies or fails, and afterwards LINE's books must agree with what staff see (R-1…R-6).
//!
//! A run is one [`Fault`] under load. Everything random comes from the run's seed, which is printed and recorded; the same
//! seed chooses the same fault and the same moment again.

mod clocks;
mod dice;
mod digests;
mod fault;
mod few;
mod handover;
mod hurry;
mod ingest;
mod invariants;
mod linking;
mod links;
mod load;
mod notices;
mod phase;
mod reminders;
mod report;
mod reservations;
mod scheduled;
#[cfg(test)]
mod spoiling;
mod staff;
mod timer_verdict;
mod timers;
mod verdict;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use line_simulator::{AccountSettings, Trouble};
use sqlx::{Connection as _, PgConnection};

use crate::platform::{Options, Platform};
use crate::service::Service;
pub use clocks::WrongClock;
use dice::Dice;
pub use fault::{Fault, PLACES, SPILL_PLACES};
pub use few::seeds as bounded_few;
pub use ingest::{IngestPlan, IngestReport, play_full_disk, play_ingest};
use load::{Load, Sent};
use phase::{Course, Phase};
pub use report::{Report, Run};
use verdict::Begun;

/// Instances of the scheduler.
const SCHEDULERS: usize = 3;

/// How much to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of each run.
    pub seeds: Vec<u64>,
    /// No run begins after this.
    pub within: Duration,
}

/// Plays `plan` on one platform and reports every run. Stops at the first run that is not sound.
pub async fn play(plan: Plan, mut report: Report) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let mut platform = platform().await?;
    let load = Load::prepare(&platform).await?;
    for seed in plan.seeds {
        if begun.elapsed() > plan.within {
            break;
        }
        let run = Box::pin(once(&mut platform, &load, seed)).await;
        let sound = run.problem.is_none();
        report.add(run)?;
        if !sound {
            break;
        }
    }
    Ok(report)
}

/// A platform whose servers may be killed and whose clocks may be turned.
async fn platform() -> anyhow::Result<Platform> {
    // A quota that was used up has room again at once.
    let settings = [
        ("TSUNAGI_MESSAGING_QUOTA_USED_UP_SECONDS", "1"),
        ("TSUNAGI_MESSAGING_QUOTA_RESERVED_SECONDS", "1"),
        // Who links comes from an address of their own, as through a proxy.
        ("TSUNAGI_IDENTITY_TRUSTED_PROXIES", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let options = Options { private_servers: true, own_clocks: true, settings, ..Options::default() };
    let mut platform = Platform::start(options).await?;
    while platform.replicas(Service::Scheduler) < SCHEDULERS {
        platform.add_replica(Service::Scheduler).await?;
    }
    Ok(platform)
}

/// One run: traffic, a fault in the middle of it, and the books compared when it is over.
async fn once(platform: &mut Platform, load: &Load, seed: u64) -> Run {
    let mut dice = Dice::new(seed);
    let fault = Fault::draw(&mut dice);
    let trouble = trouble(&mut dice);
    let mut run = Run::new(seed, &fault, &trouble);
    let outcome = Box::pin(async {
        let redelivery = AccountSettings { redelivery: Some(true), ..AccountSettings::default() };
        platform.line().change_account(&load.shop.card.channel_id, &redelivery).await?;
        platform.line().set_delivery(&load.shop.card.channel_id, &trouble).await?;
        let stage = platform.stage();
        let begun = Begun::now(&stage, load).await?;
        let course = Course::new();
        let hurries = match fault {
            Fault::Clock(_) => Some(PgConnection::connect(&platform.admin_url()).await?),
            _ => None,
        };
        let strike = async {
            tokio::time::sleep(dice.duration(Duration::from_millis(50), Duration::from_millis(900))).await;
            course.reach(Phase::During);
            let struck = fault.strike(platform, &mut dice).await.context("the fault could not be made and mended")?;
            // What people do from now on is little: it waits for no company to be shuffled with.
            let unshuffled = Trouble { reorder_window: 0, ..trouble.clone() };
            stage.line.set_delivery(&load.shop.card.channel_id, &unshuffled).await?;
            course.reach(Phase::After);
            anyhow::Ok(struck)
        };
        let (sent, struck) = tokio::try_join!(load.traffic(&stage, &course, seed, hurries), strike)?;
        (run.ready_again, run.reached) = (struck.ready_again, struck.reached);
        run.counts = end(platform, load, &sent, begun, &mut run.settled).await?;
        anyhow::Ok(())
    })
    .await;
    run.problem = outcome.err().map(|problem| format!("{problem:#}"));
    run
}

/// Waits until everything of a run is where it belongs, and notes how long that took.
async fn end(
    platform: &Platform,
    load: &Load,
    sent: &Sent,
    begun: Begun,
    took: &mut Option<Duration>,
) -> anyhow::Result<verdict::Counts> {
    platform.line().set_delivery(&load.shop.card.channel_id, &Trouble::default()).await?;
    let mended = Instant::now();
    invariants::end_by_themselves(&mut PgConnection::connect(&platform.admin_url()).await?).await?;
    claims_run_out(platform).await?;
    let counts = verdict::settled(platform, load, sent, begun).await?;
    *took = Some(mended.elapsed());
    Ok(counts)
}

/// How LINE delivers in a run: some twice, shuffled, several together, several at once.
fn trouble(dice: &mut Dice) -> Trouble {
    Trouble {
        duplicate: *dice.one(&[0.0, 0.1, 0.5]),
        reorder_window: *dice.one(&[0, 4, 16]),
        batch: *dice.one(&[1, 5, 20]),
        parallel: *dice.one(&[1, 2, 4]),
        ..Trouble::default()
    }
}

/// A content whose fetcher died is fetched when its claim has run out, in six minutes, staff of a slot whose teller died are told in one,
/// and an attempt whose answer was lost is given up after fifteen: a run does not wait for that.
async fn claims_run_out(platform: &Platform) -> anyhow::Result<()> {
    let mut admin = PgConnection::connect(&platform.admin_url()).await?;
    sqlx::query("UPDATE messaging.content_job SET due = now() WHERE due < 'infinity'").execute(&mut admin).await?;
    sqlx::query("UPDATE messaging.digest_slot SET due = now() WHERE due < 'infinity'").execute(&mut admin).await?;
    let given_up = "UPDATE identity.link_attempt SET confirm_until = now() WHERE decide_time IS NULL";
    sqlx::query(given_up).execute(&mut admin).await?;
    Ok(())
}
