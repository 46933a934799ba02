//! `tsunagi demo` played to its end, and Ctrl-C in the middle of it and of `tsunagi run`.

use std::time::Duration;

use testkit::nats::Private;
use testkit::postgres::{Cluster, Database};
use testkit::process::{Process, binary};
use tsunagi::stage::until;

const STARTED: Duration = Duration::from_mins(1);
/// Shorter than any wait of the story: it is left off, not played to its end on a platform that is gone.
const AT_ONCE: Duration = Duration::from_secs(15);

/// The steps of the story.
const STEPS: usize = 27;
const PLAYED: Duration = Duration::from_mins(3);

/// `tsunagi {command}`, with the servers it runs on.
struct Command {
    process: Process,
    _database: Database,
    _nats: Private,
}

impl Command {
    async fn start(command: &str) -> anyhow::Result<Self> {
        let database = Cluster::shared().fresh_database(command).await?;
        let nats = Private::start().await?;
        let process = Process::of(binary("tsunagi"))
            .arg(command)
            .env("TSUNAGI_DATABASE_URL", database.admin_url())
            .env("TSUNAGI_NATS_URL", nats.url())
            .start()?;
        Ok(Self { process, _database: database, _nats: nats })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_ends_well_with_every_step_as_it_must_be() -> anyhow::Result<()> {
    let mut demo = Command::start("demo").await?;
    let status = demo.process.exit(PLAYED).await?;
    let lines = demo.process.lines();
    let right = lines.iter().filter(|line| line.contains('✔')).count();
    anyhow::ensure!(status.code() == Some(0) && right == STEPS, "{status}, {right} steps: {lines:#?}");
    Ok(())
}

async fn interrupted(command: &str, shown: &str) -> anyhow::Result<Option<i32>> {
    let Command { mut process, _database, _nats } = Command::start(command).await?;
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

/// What stands behind `heading`, as somebody would paste it into a shell.
fn told(lines: &[String], heading: &str) -> String {
    let behind = lines.iter().skip_while(|line| !line.contains(heading)).skip(1);
    let commands: Vec<&str> =
        behind.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).map(String::as_str).collect();
    commands.join("\n")
}

async fn pasted(commands: &str) -> anyhow::Result<String> {
    let output = tokio::process::Command::new("bash").args(["-euo", "pipefail", "-c", commands]).output().await?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    anyhow::ensure!(output.status.success(), "{}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(printed)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_running_platform_says_to_try_works_as_it_is_printed() -> anyhow::Result<()> {
    let mut run = Command::start("run").await?;
    run.process.line(STARTED, |line| line.contains("customer list")).await?;
    let lines = run.process.lines();
    let written = pasted(&told(&lines, "A customer writes")).await?;
    anyhow::ensure!(written.contains("webhook_event_id"), "{written}");
    let answer = told(&lines, "The shop reads it, and answers");
    let answered = until(STARTED, async || pasted(&answer).await).await?;
    anyhow::ensure!(answered.contains("こんにちは") && answered.contains("いらっしゃいませ"), "{answered}");
    // The form itself is for a browser; what leads there and what shows what came of it is pasted.
    let linking = ["A customer writes", "The customer links to their record", "What came of it"];
    let linked = pasted(&linking.map(|heading| told(&lines, heading)).join("\n")).await?;
    anyhow::ensure!(linked.contains("/log-in") && linked.contains("/f/") && linked.contains("花子"), "{linked}");
    run.process.sigint()?;
    assert_eq!(run.process.exit(AT_ONCE).await?.code(), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_is_how_a_running_platform_is_stopped() -> anyhow::Result<()> {
    assert_eq!(interrupted("run", "Tsunagi is running").await?, Some(0));
    Ok(())
}
