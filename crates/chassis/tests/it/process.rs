//! A whole process: how it starts, is looked at, and ends.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use testkit::eventually;
use testkit::postgres::Cluster;
use testkit::process::{Launch, Process};

use crate::stage::SOON;

/// Status and text of `GET url`.
pub(crate) async fn get(url: &str) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let answer = client.get(url.parse().unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found =
        test.ancestors().skip(1).map(|folder| folder.join("examples/smallest_service")).find(|path| path.is_file());
    found.expect("cargo builds the example with the tests")
}

pub(crate) fn launch() -> Launch {
    Process::of(program()).env("TSUNAGI_SMALLEST_ADMIN_ADDR", "127.0.0.1:0")
}

fn told<'a>(record: &'a serde_json::Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

async fn ready(process: &Process) -> String {
    let record = process.record(SOON, |record| told(record, "listener") == "admin").await.unwrap();
    let url = format!("http://{}", told(&record, "address"));
    for gate in ["task", "start"] {
        process.record(SOON, |record| told(record, "gate") == gate).await.unwrap();
    }
    url
}

#[tokio::test]
async fn it_serves_its_state_and_ends_well_on_either_signal() {
    for signal in [Process::sigterm, Process::sigint] {
        let mut process = launch().start().unwrap();
        let url = ready(&process).await;
        assert_eq!(get(&format!("{url}/livez")).await.0, 200);
        assert_eq!(get(&format!("{url}/readyz")).await, (200, r#"{"missing":[],"ready":true}"#.to_owned()));
        assert!(get(&format!("{url}/metrics")).await.1.contains("process_open_fds"));
        signal(&process).unwrap();
        assert_eq!(process.exit(SOON).await.unwrap().code(), Some(0));
    }
}

#[tokio::test]
async fn a_process_is_ready_no_sooner_than_it_is_put_together() {
    let holding = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let held = holding.local_addr().unwrap().to_string();
    let process = launch().env("TSUNAGI_SMALLEST_WAITS_FOR", held).start().unwrap();
    let record = process.record(SOON, |record| told(record, "listener") == "admin").await.unwrap();
    let url = format!("http://{}", told(&record, "address"));
    let (connection, _) = holding.accept().await.unwrap();
    // None of its parts is there yet, and none has a gate.
    assert_eq!(get(&format!("{url}/readyz")).await, (503, r#"{"missing":["start"],"ready":false}"#.to_owned()));
    assert_eq!(get(&format!("{url}/livez")).await.0, 200);
    drop(connection);
    ready(&process).await;
    assert_eq!(get(&format!("{url}/readyz")).await.0, 200);
}

#[tokio::test]
async fn a_part_that_dies_ends_the_process_with_a_failure() {
    for (behaviour, why) in [("failing", "as it was told to"), ("early", "it ended although")] {
        let mut process = launch().env("TSUNAGI_SMALLEST_TASK", behaviour).start().unwrap();
        assert_eq!(process.exit(SOON).await.unwrap().code(), Some(1));
        assert!(process.lines().iter().any(|line| line.contains(why)), "{:?}", process.lines());
    }
}

#[tokio::test]
async fn what_is_stuck_is_left_behind_at_the_deadline_with_a_failure() {
    let stuck = launch().env("TSUNAGI_SMALLEST_TASK", "stuck").env("TSUNAGI_DRAIN_SECONDS", "1");
    let mut process = stuck.start().unwrap();
    ready(&process).await;
    process.sigterm().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().code(), Some(1));
    assert!(process.lines().iter().any(|line| line.contains("still running: task")), "{:?}", process.lines());
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let stuck = launch().env("TSUNAGI_SMALLEST_TASK", "stuck").env("TSUNAGI_DRAIN_SECONDS", "600");
    let mut process = stuck.start().unwrap();
    let url = ready(&process).await;
    process.sigterm().unwrap();
    process.record(SOON, |record| told(record, "signal") == "SIGTERM").await.unwrap();
    let (status, body) = get(&format!("{url}/readyz")).await;
    assert_eq!((status, body.as_str()), (503, r#"{"missing":["stopping"],"ready":false}"#));
    process.sigterm().unwrap();
    assert_eq!(process.exit(Duration::from_secs(5)).await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_process_serves_on_for_the_pause_before_its_end_and_says_that_it_is_ready_no_more() {
    let paused = |seconds: &str| launch().env("TSUNAGI_DRAIN_PAUSE_SECONDS", seconds);
    let mut process = paused("600").start().unwrap();
    let url = ready(&process).await;
    process.sigterm().unwrap();
    eventually(SOON, async || match get(&format!("{url}/readyz")).await {
        (503, body) if body == r#"{"missing":["stopping"],"ready":false}"# => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    let (_, figures) = get(&format!("{url}/metrics")).await;
    assert!(figures.contains("tsunagi_task_running{task=\"task\"} 1"), "{figures}");
    process.sigterm().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().code(), Some(1));

    let mut process = paused("1").start().unwrap();
    ready(&process).await;
    let told = std::time::Instant::now();
    process.sigterm().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().code(), Some(0));
    assert!(told.elapsed() >= Duration::from_secs(1), "it ended after {:?}", told.elapsed());
}

#[tokio::test]
async fn an_armed_place_kills_the_process() {
    let mut process = launch().env("TSUNAGI_FAILPOINTS", "smallest.before_end=kill").start().unwrap();
    ready(&process).await;
    process.sigterm().unwrap();
    let status = process.exit(SOON).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status:?}");
}

#[tokio::test]
async fn every_mistake_in_the_settings_is_told_at_once() {
    let wrong = Process::of(program())
        .env("TSUNAGI_DRAIN_SECONDS", "soon")
        .env("TSUNAGI_LOG", "=====")
        .env("TSUNAGI_TRACE_SAMPLED", "2")
        .env("TSUNAGI_OTLP_ENDPOINT", "ftp://collector.example");
    let mut process = wrong.start().unwrap();
    assert_eq!(process.exit(SOON).await.unwrap().code(), Some(1));
    process.line(SOON, |line| line.contains("5 wrong in the settings")).await.unwrap();
    for name in ["ADMIN_ADDR", "DRAIN_SECONDS", "LOG", "TRACE_SAMPLED", "OTLP_ENDPOINT"] {
        process.line(SOON, |line| line.trim_start().starts_with("TSUNAGI_") && line.contains(name)).await.unwrap();
    }
}

#[tokio::test]
async fn help_version_and_unknown_commands() {
    let mut help = Process::of(program()).arg("--help").start().unwrap();
    assert_eq!(help.exit(SOON).await.unwrap().code(), Some(0));
    for expected in ["TSUNAGI_SMALLEST_TASK  (a text; default good)", "migrate", "TSUNAGI_ADMIN_DATABASE_URL"] {
        help.line(SOON, |line| line.contains(expected)).await.unwrap();
    }
    let mut version = Process::of(program()).arg("--version").start().unwrap();
    assert_eq!(version.exit(SOON).await.unwrap().code(), Some(0));
    version.line(SOON, |line| line == "smallest-service 0.0.0").await.unwrap();
    let mut unknown = Process::of(program()).arg("dance").start().unwrap();
    assert_eq!(unknown.exit(SOON).await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn migrate_and_healthcheck_are_commands_of_the_same_program() {
    let server = Cluster::shared().fresh_database("program").await.unwrap();
    for _ in 0..2 {
        let migrate = Process::of(program()).arg("migrate").env("TSUNAGI_ADMIN_DATABASE_URL", server.admin_url());
        let mut migrate = migrate.start().unwrap();
        assert_eq!(migrate.exit(SOON).await.unwrap().code(), Some(0));
        migrate.line(SOON, |line| line.contains("the schema smallest is up to date")).await.unwrap();
    }
    let serving = launch().start().unwrap();
    let url = ready(&serving).await;
    let addr = url.strip_prefix("http://").unwrap().to_owned();
    let check = async || {
        let mut check = launch().arg("healthcheck").env("TSUNAGI_SMALLEST_ADMIN_ADDR", addr.clone()).start().unwrap();
        check.exit(SOON).await.unwrap().code()
    };
    assert_eq!(check().await, Some(0));
    drop(serving);
    assert_eq!(check().await, Some(1));
}
