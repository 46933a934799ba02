//! Ctrl-C in the middle of `tsunagi demo` and of `tsunagi run`.

use std::time::Duration;

use testkit::process::{Process, binary};

const STARTED: Duration = Duration::from_mins(1);
/// Shorter than any wait of the story: it is left off, not played to its end on a platform that is gone.
const AT_ONCE: Duration = Duration::from_secs(15);

async fn interrupted(command: &str, shown: &str) -> anyhow::Result<Option<i32>> {
    let database = testkit::postgres::Cluster::shared().fresh_database(command).await?;
    let nats = testkit::nats::Private::start().await?;
    let mut process = Process::of(binary("tsunagi"))
        .arg(command)
        .env("TSUNAGI_DATABASE_URL", database.admin_url())
        .env("TSUNAGI_NATS_URL", nats.url())
        .start()?;
    process.line(STARTED, |line| line.contains(shown)).await?;
    process.sigint()?;
    let status = process.exit(AT_ONCE).await?;
    anyhow::ensure!(!process.lines().iter().any(|line| line.contains('✘')), "the story went on: {:?}", process.lines());
    Ok(status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_the_demo_off_and_stops_the_platform() -> anyhow::Result<()> {
    assert_eq!(interrupted("demo", "friend-add").await?, Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_is_how_a_running_platform_is_stopped() -> anyhow::Result<()> {
    assert_eq!(interrupted("run", "Tsunagi is running").await?, Some(0));
    Ok(())
}
